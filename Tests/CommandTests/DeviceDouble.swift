import Foundation

/// The device double of Tests/DeviceDouble, built once: a library that stands between a program and
/// its OpenCL driver.
enum DeviceDouble {
  /// What makes the environment of a run: the library is loaded first, and does what `behaviour` asks
  /// for, settings of device_double.c without their DOUBLE_.
  static func environment(_ behaviour: [String: String]) throws -> [String: String] {
    var result = ["LD_PRELOAD": try library.get().path]
    for (name, value) in behaviour { result["DOUBLE_\(name)"] = value }
    return result
  }

  private struct BuildError: Error {
    let log: String
  }

  private static let library = Result { try build() }

  private static func build() throws -> URL {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("DeviceDouble/device_double.c")
    let library = CommandRunner.products.appendingPathComponent("libdevice_double.so")
    // The toolchain that built the tests has a clang.
    let result = try CommandRunner.run(
      ["clang", "-shared", "-fPIC", "-O1", "-o", library.path, source.path, "-ldl"],
      executable: URL(fileURLWithPath: "/usr/bin/env"))
    guard result.status == 0 else { throw BuildError(log: result.errors) }
    return library
  }
}
