import Foundation
import Testing

@testable import GPUTrainCommand

/// What the program is made of and runs on: told by itself, in the documentation's table, and with the licences
/// of what `make dist` carries.
@Suite(.runsPrograms) struct SupplyTests {
  private let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  @Test func verboseVersion_namesAllThatTheProgramRunsOn() throws {
    for arguments in [["--version", "--verbose"], ["--verbose", "--version"]] {
      let result = try CommandRunner.run(arguments)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      let lines = result.output.split(separator: "\n")
      #expect(lines.first == "gputrain          \(Build.version)")
      for name in [
        "built", "Swift", "CLBlast", "OpenBLAS", "device 0", "system", "processors", "memory",
      ] {
        #expect(lines.contains { $0.hasPrefix(name + " ") }, "\(name) in \(result.output)")
      }
      #expect(result.output.contains("libclblast") && result.output.contains("driver "))
    }
  }

  @Test func verboseVersion_withoutAnyDriver_saysSo() throws {
    let result = try CommandRunner.run(
      ["--version", "--verbose"],
      environment: ["OCL_ICD_VENDORS": "/nonexistent", "OCL_ICD_FILENAMES": ""])
    #expect(result.status == 0 && result.output.contains("no OpenCL platform found"))
  }

  @Test func plainVersion_isOneLine() throws {
    let result = try CommandRunner.run(["--version"])
    #expect(result.status == 0 && result.output == "gputrain \(Build.version)\n")
  }

  /// Every dependency of the manifest, and every system library.
  @Test func table_hasEveryDependency() throws {
    func text(_ path: String) throws -> String {
      try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
    let manifest = try text("Package.swift")
    let page = try text("docs/supply.md")
    let packages = manifest.matches(of: /url: "https:\/\/[^"]*\/([^"\/]+)", from/).map {
      $0.output.1
    }
    let libraries = manifest.matches(of: /\.apt\(\[([^\]]*)\]/).flatMap {
      $0.output.1.split(separator: ",").map { $0.trimmingCharacters(in: [" ", "\""]) }
    }
    #expect(packages.count == 3 && libraries.count >= 6)
    for name in packages.map(String.init) + libraries {
      #expect(page.contains("`\(name)`"), "docs/supply.md lacks \(name)")
    }
  }

  #if os(Linux)
    private func notices(_ folder: URL, of files: [String]) throws -> CommandResult {
      let scratch = CommandRunner.products.deletingLastPathComponent().deletingLastPathComponent()
      return try CommandRunner.run(
        [
          root.appendingPathComponent("Scripts/dist/notices.sh").path, folder.path,
          scratch.appendingPathComponent("checkouts").path,
        ] + files, executable: URL(fileURLWithPath: "/bin/bash"))
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/dpkg-query")))
    func notices_areOfEverythingCarried_orAnError() throws {
      try CommandRunner.withTemporaryDirectory { directory in
        let folder = directory.appendingPathComponent("licenses")
        // Of bash, whose licence has to be found as that of any library.
        let bash = URL(fileURLWithPath: "/bin/bash").resolvingSymlinksInPath().path
        let result = try notices(folder, of: [bash])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let list = try String(contentsOf: folder.appendingPathComponent("NOTICES"), encoding: .utf8)
        for name in [
          "gputrain", "swift", "Yams", "libyaml", "swift-protobuf", "swift-argument-parser", "bash",
        ] {
          #expect(list.contains("\n\(name) "), "\(list)")
          let licence = try Data(contentsOf: folder.appendingPathComponent(name))
          #expect(licence.count > 500, "\(name)")
        }
        let unknown = directory.appendingPathComponent("nobodys")
        try Data([1]).write(to: unknown)
        let failed = try notices(folder, of: [unknown.path])
        #expect(failed.status == 1 && failed.errors.contains("no package has installed"))
      }
    }
  #endif
}
