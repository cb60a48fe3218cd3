import COpenCL
import Foundation

/// One compiled file of kernels.
public final class Program {
  /// The context whose device the program is compiled for.
  public let context: Context
  /// Name of the source file, for messages.
  public let file: String
  /// The handle that OpenCL calls take.
  public let handle: cl_program

  /// Compiles `source` for the context's device, or takes what the context's cache kept of it.
  ///
  /// - definitions: preprocessor macros by name.
  /// - options: further options of the device's compiler, such as `-cl-nv-maxrregcount=128`.
  /// - Throws: `OpenCLError.buildFailed` with the compiler's log; `callFailed`.
  public init(
    context: Context, file: String, source: String, definitions: [String: String] = [:],
    options further: [String] = []
  ) throws {
    self.context = context
    self.file = file
    // CL1.2 keeps array arguments working on NVIDIA's compiler; argument info is what a typed
    // kernel is compared with.
    let options =
      (["-cl-std=CL1.2", "-cl-kernel-arg-info"]
      + further + definitions.sorted { $0.key < $1.key }.map { "-D \($0.key)=\($0.value)" })
      .joined(separator: " ")
    if context.recording != nil {
      handle = try Self.source(source, file: file, context: context)
      return
    }
    guard let cache = context.programCache else {
      handle = try Self.compile(source, file: file, options: options, context: context)
      return
    }
    let key = Self.key(source: source, options: options, device: context.device)
    if let binary = cache.binary(for: key),
      let kept = Self.load(binary, options: options, context: context)
    {
      handle = kept
      return
    }
    handle = try Self.compile(source, file: file, options: options, context: context)
    if let binary = Self.binary(of: handle) { cache.keep(binary, for: key) }
  }

  /// Everything that decides what the compiler makes.
  private static func key(source: String, options: String, device: Device) -> Data {
    let parts = [
      device.platform, device.vendor, device.name, device.version, device.driverVersion, options,
      source,
    ]
    return Data(parts.joined(separator: "\0").utf8)
  }

  /// A program that is not compiled yet.
  private static func source(
    _ source: String, file: String, context: Context
  ) throws -> cl_program {
    var code: cl_int = 0
    let made = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context.handle, 1, &text, nil, &code)
    }
    try check(code, "clCreateProgramWithSource", file)
    return made!
  }

  private static func compile(
    _ source: String, file: String, options: String, context: Context
  ) throws -> cl_program {
    let handle = try Self.source(source, file: file, context: context)
    var device: cl_device_id? = context.device.id
    guard clBuildProgram(handle, 1, &device, options, nil, nil) != CL_SUCCESS else {
      return handle
    }
    defer { clReleaseProgram(handle) }
    let log = try queryString("clGetProgramBuildInfo") {
      clGetProgramBuildInfo(
        handle, context.device.id, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
    }
    throw OpenCLError.buildFailed(
      file: file, line: firstErrorLine(in: log), device: context.device.name,
      log: log.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// The program of a compiled binary; nil where the driver no longer takes it.
  private static func load(_ binary: Data, options: String, context: Context) -> cl_program? {
    var device: cl_device_id? = context.device.id
    var size = binary.count
    var (status, code): (cl_int, cl_int) = (0, 0)
    let made = binary.withUnsafeBytes { bytes in
      var start = bytes.bindMemory(to: UInt8.self).baseAddress
      return clCreateProgramWithBinary(
        context.handle, 1, &device, &size, &start, &status, &code)
    }
    guard let handle = made else { return nil }
    guard code == CL_SUCCESS, status == CL_SUCCESS,
      clBuildProgram(handle, 1, &device, options, nil, nil) == CL_SUCCESS
    else {
      clReleaseProgram(handle)
      return nil
    }
    return handle
  }

  /// What the compiler made; nil where the driver does not hand it out.
  private static func binary(of handle: cl_program) -> Data? {
    var size = 0
    guard
      clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &size, nil)
        == CL_SUCCESS, size > 0
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: size)
    let code = bytes.withUnsafeMutableBufferPointer { buffer in
      var start = buffer.baseAddress
      return clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARIES),
        MemoryLayout<UnsafeMutablePointer<UInt8>?>.size, &start, nil)
    }
    return code == CL_SUCCESS ? Data(bytes) : nil
  }

  deinit { clReleaseProgram(handle) }

  /// The line number of the first error in a compiler's log.
  ///
  /// Clang-based compilers (PoCL, NVIDIA, Intel, AMD) write `file:LINE:COLUMN: error: …`; PoCL puts
  /// `error: ` before the file as well.
  static func firstErrorLine(in log: String) -> Int? {
    for line in log.split(separator: "\n") where line.contains("error") {
      if let match = line.firstMatch(of: /:(\d+):\d+:/) { return Int(match.1) }
    }
    return nil
  }
}
