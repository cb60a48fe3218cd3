import COpenCL
import Foundation

/// One compiled file of kernels.
public final class Program {
  /// The context whose device the program is compiled for.
  public let context: Context
  /// Name of the source file, for messages.
  public let file: String
  /// The handle that OpenCL calls take; nil in a recording context, where nothing is compiled.
  public let handle: cl_program?

  /// Compiles `source` for the context's device, or takes what the context's cache kept of it.
  ///
  /// - definitions: preprocessor macros by name.
  /// - options: further options of the device's compiler, such as `-cl-nv-maxrregcount=128`.
  /// - assembling: makes the text that is assembled of the one that the compiler makes and the driver
  ///   hands out as the program's binary, NVIDIA's PTX. What it throws is the log of a build that failed.
  ///
  ///       let program = try Program(context: context, file: "scale.cl", source: source) { ptx in
  ///         ptx.replacing(".target sm_90", with: ".target sm_90a")
  ///       }
  ///
  /// - Throws: `OpenCLError.buildFailed` with the compiler's log; `callFailed`.
  public init(
    context: Context, file: String, source: String, definitions: [String: String] = [:],
    options further: [String] = [], assembling: ((String) throws -> String)? = nil
  ) throws {
    self.context = context
    self.file = file
    // CL1.2 keeps array arguments working on NVIDIA's compiler; argument info is what a typed
    // kernel is compared with.
    let options =
      (["-cl-std=CL1.2", "-cl-kernel-arg-info"]
      + further + definitions.sorted { $0.key < $1.key }.map { "-D \($0.key)=\($0.value)" })
      .joined(separator: " ")
    guard context.recording == nil else {
      handle = nil
      return
    }
    let (cache, key) = (
      context.programCache, Self.key(source: source, options: options, device: context.device)
    )
    let kept = cache?.binary(for: key)
    if let assembling {
      let binary = try kept ?? Self.compiled(source, file: file, options: options, context: context)
      handle = try Self.assembled(binary, file: file, context: context, by: assembling)
      if kept == nil { cache?.keep(binary, for: key) }
      return
    }
    if let kept, let loaded = try? Self.load(kept, file: file, options: options, context: context) {
      handle = loaded
      return
    }
    handle = try Self.compile(source, file: file, options: options, context: context)
    if let cache, let handle, let binary = Self.binary(of: handle) { cache.keep(binary, for: key) }
  }

  /// The binary of a program that is compiled for it alone.
  private static func compiled(
    _ source: String, file: String, options: String, context: Context
  ) throws -> Data {
    let handle = try compile(source, file: file, options: options, context: context)
    defer { clReleaseProgram(handle) }
    guard let binary = binary(of: handle) else {
      throw OpenCLError.buildFailed(
        file: file, line: nil, device: context.device.name,
        log: "the driver does not hand out what it compiled")
    }
    return binary
  }

  private static func assembled(
    _ binary: Data, file: String, context: Context, by assembling: (String) throws -> String
  ) throws -> cl_program {
    let text: String
    do {
      text = try assembling(String(decoding: binary.prefix { $0 != 0 }, as: UTF8.self))
    } catch {
      throw OpenCLError.buildFailed(
        file: file, line: nil, device: context.device.name, log: "\(error)")
    }
    return try load(Data(text.utf8), file: file, options: "", context: context)
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
    try build(
      Self.source(source, file: file, context: context), file: file, options: options,
      context: context)
  }

  /// The program of a compiled binary, or of an assembler's text.
  ///
  /// - Throws: `OpenCLError` where the driver does not take it.
  private static func load(
    _ binary: Data, file: String, options: String, context: Context
  ) throws -> cl_program {
    var device: cl_device_id? = context.device.id
    var size = binary.count
    var (status, code): (cl_int, cl_int) = (0, 0)
    // Of a text the end is marked too.
    let made = (binary + [0]).withUnsafeBytes { bytes in
      var start = bytes.bindMemory(to: UInt8.self).baseAddress
      return clCreateProgramWithBinary(
        context.handle, 1, &device, &size, &start, &status, &code)
    }
    try check(code, "clCreateProgramWithBinary", file)
    let handle = made!
    guard status == CL_SUCCESS else {
      clReleaseProgram(handle)
      throw OpenCLError.callFailed(call: "clCreateProgramWithBinary", code: status, context: file)
    }
    return try build(handle, file: file, options: options, context: context)
  }

  /// Builds the program of `handle`, or releases it and throws.
  private static func build(
    _ handle: cl_program, file: String, options: String, context: Context
  ) throws -> cl_program {
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

  deinit {
    if let handle { clReleaseProgram(handle) }
  }

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
