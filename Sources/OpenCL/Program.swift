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

  /// Compiles `source` for the context's device.
  ///
  /// - definitions: preprocessor macros by name.
  /// - Throws: `OpenCLError.buildFailed` with the compiler's log; `callFailed`.
  public init(
    context: Context, file: String, source: String, definitions: [String: String] = [:]
  ) throws {
    self.context = context
    self.file = file
    var code: cl_int = 0
    let handle = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context.handle, 1, &text, nil, &code)
    }
    try check(code, "clCreateProgramWithSource", file)
    self.handle = handle!
    // CL1.2 keeps array arguments working on NVIDIA's compiler; argument info is what a typed
    // kernel is compared with.
    let options =
      ["-cl-std=CL1.2", "-cl-kernel-arg-info"]
      + definitions.sorted { $0.key < $1.key }.map { "-D \($0.key)=\($0.value)" }
    var device: cl_device_id? = context.device.id
    let built = clBuildProgram(
      self.handle, 1, &device, options.joined(separator: " "), nil, nil)
    guard built == CL_SUCCESS else {
      let log = try queryString("clGetProgramBuildInfo") {
        clGetProgramBuildInfo(
          self.handle, context.device.id, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
      }
      throw OpenCLError.buildFailed(
        file: file, line: Self.firstErrorLine(in: log), device: context.device.name,
        log: log.trimmingCharacters(in: .whitespacesAndNewlines))
    }
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
