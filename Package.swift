// swift-tools-version: 6.2
import PackageDescription

/// One direction of dependence: each module knows only those after it.
///     gputrain → Experiments → Training → Networks → Spectral → Tensors → OpenCL → C system targets
let package = Package(
  name: "gputrain",
  products: [
    .executable(name: "gputrain", targets: ["GPUTrainCommand"]),
    .library(
      name: "GPUTrain",
      targets: ["GPUTrain", "OpenCL", "Tensors", "Spectral", "Networks", "Training", "Experiments"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenCL", pkgConfig: "OpenCL",
      providers: [.apt(["ocl-icd-opencl-dev", "opencl-headers", "pocl-opencl-icd"])]),
    .systemLibrary(name: "CCLBlast", providers: [.apt(["libclblast-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CKernels"),
    .target(name: "CFileSystem"),
    .target(name: "CMPI", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CLBlastParameters", dependencies: ["COpenCL", "CCLBlast"]),

    .target(name: "OpenCL", dependencies: ["COpenCL"]),
    .target(
      name: "Tensors",
      dependencies: [
        "OpenCL", "COpenCL", "CCLBlast", "CLBlastParameters", "COpenBLAS", "CKernels",
      ]),
    .target(name: "Spectral", dependencies: ["Tensors", "OpenCL", "COpenBLAS"]),
    .target(name: "Networks", dependencies: ["Spectral", "Tensors", "OpenCL"]),
    .target(name: "Training", dependencies: ["Networks", "Spectral", "Tensors", "OpenCL"]),
    .target(
      name: "Experiments",
      dependencies: [
        "Training", "Networks", "Spectral", "Tensors", "OpenCL", "CZlib", "CFileSystem", "CMPI",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    // Module and directory differ from the command's by more than case, for disks that ignore it.
    .target(
      name: "GPUTrain",
      dependencies: ["Experiments", "Training", "Networks", "Spectral", "Tensors", "OpenCL"],
      path: "Sources/Umbrella"),
    .executableTarget(
      name: "GPUTrainCommand",
      dependencies: [
        "Experiments", "Training", "Networks", "Spectral", "Tensors", "OpenCL",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
      ],
      path: "Sources/gputrain", plugins: ["Commit"]),
    .plugin(name: "Commit", capability: .buildTool()),

    .target(
      name: "GPUTrainTestSupport", dependencies: ["Tensors", "OpenCL"], path: "Tests/Support"),
    .testTarget(name: "OpenCLTests", dependencies: ["OpenCL"]),
    .testTarget(name: "TensorsTests", dependencies: ["GPUTrainTestSupport", "Tensors", "OpenCL"]),
    .testTarget(
      name: "SpectralTests",
      dependencies: ["GPUTrainTestSupport", "Spectral", "Tensors", "OpenCL", "COpenBLAS"],
      resources: [.copy("Golden")]),
    .testTarget(
      name: "NetworksTests",
      dependencies: ["GPUTrainTestSupport", "Networks", "Spectral", "Tensors", "OpenCL"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "GPUTrainTestSupport", "Training", "Networks", "Spectral", "Tensors", "OpenCL",
      ],
      resources: [.copy("Golden")]),
    .testTarget(
      name: "ExperimentsTests",
      dependencies: [
        "GPUTrainTestSupport", "Experiments", "Training", "Networks", "Spectral", "Tensors",
        "OpenCL",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "GPUTrainCommand", "TrainMLP", "CustomParametrization", "CustomUpdateRule",
        "CustomOperation", "Experiments", "Spectral", "Tensors", "OpenCL",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      resources: [.copy("Help")]),

    example("TrainMLP"),
    example("CustomParametrization"),
    example("CustomUpdateRule"),
    example("CustomOperation"),
    .executableTarget(
      name: "SpectralBenchmark", dependencies: ["Spectral", "Tensors", "OpenCL", "COpenBLAS"],
      path: "Benchmarks/Spectral"),
    .executableTarget(
      name: "DiagnosticsBenchmark",
      dependencies: ["Training", "Networks", "Spectral", "Tensors", "OpenCL"],
      path: "Benchmarks/Diagnostics"),
    .executableTarget(
      name: "GemmBenchmark", dependencies: ["Tensors", "OpenCL"], path: "Benchmarks/Gemm"),
    .executableTarget(
      name: "CostBenchmark", dependencies: ["Experiments", "Training", "Tensors", "OpenCL"],
      path: "Benchmarks/Cost"),
  ],
  swiftLanguageModes: [.v6]
)

/// A program that imports the umbrella. It depends on the modules as well, as on the product, or a
/// change in one of them would not have it compiled again: the umbrella's own module stays as it is.
func example(_ name: String) -> Target {
  .executableTarget(
    name: name,
    dependencies: [
      "GPUTrain", "Experiments", "Training", "Networks", "Spectral", "Tensors", "OpenCL",
    ],
    path: "Examples/\(name)")
}

/// Tests/Fuzz/run.sh builds the fuzzer of the readers in place of programs and tests. A program's module cannot
/// be imported by another program, so that this one's is a library then.
if Context.environment["GPUTRAIN_FUZZ"] != nil {
  let program = package.targets.first { $0.name == "GPUTrainCommand" }
  package.products = []
  package.targets.removeAll { [.executable, .test].contains($0.type) }
  package.targets += [
    .target(
      name: "GPUTrainCommand", dependencies: program?.dependencies ?? [], path: "Sources/gputrain",
      swiftSettings: [
        .unsafeFlags(["-Xfrontend", "-entry-point-function-name", "-Xfrontend", "gputrain_main"])
      ],
      plugins: ["Commit"]),
    .executableTarget(
      name: "Fuzz",
      dependencies: ["GPUTrainCommand", "Experiments", "Training", "Tensors", "OpenCL"],
      path: "Tests/Fuzz", exclude: ["run.sh"],
      swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
  ]
}
