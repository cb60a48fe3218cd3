// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "Importing",
  dependencies: [
    .package(url: "GPUTRAIN_URL", branch: "main")
  ],
  targets: [
    .executableTarget(
      name: "Importing",
      dependencies: [
        .product(name: "GPUTrain", package: "gputrain")
      ])
  ]
)
