import COpenCL

/// What a device, driver or kernel source did wrong.
public enum OpenCLError: Error, Equatable {
  /// `call` returned `code`; `context` says what it was asked for.
  case callFailed(call: String, code: Int32, context: String)
  /// No OpenCL platform is installed.
  case noPlatform
  /// Platforms are there, but no device of theirs matches `request`.
  case noDevice(request: String, available: [String])
  /// The device lacks something that the operation needs.
  case unsupported(operation: String, device: String)
  /// The source of program `file` does not compile; `line` is the first line in error.
  case buildFailed(file: String, line: Int?, device: String, log: String)
  /// A compiled kernel's arguments are not those that the host code declares.
  case argumentMismatch(kernel: String, position: Int?, expected: String, got: String)
}

extension OpenCLError {
  /// Status codes of calls for which memory, of the device or the host, was short.
  public static let codesOfShortMemory: Set<Int32> = [
    CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY,
  ]
}

extension OpenCLError: CustomStringConvertible {
  /// The failed operation, what was expected and what was found.
  public var description: String {
    switch self {
    case .callFailed(let call, let code, let context):
      let suffix = context.isEmpty ? "" : " (\(context))"
      return "\(call) failed with \(Self.name(ofCode: code))\(suffix)"
    case .noPlatform:
      return """
        no OpenCL platform found: install a GPU's driver, or PoCL for the CPU \
        (Debian, Ubuntu: apt-get install pocl-opencl-icd; macOS, conda: conda install pocl)
        """
    case .noDevice(let request, let available):
      return "no OpenCL device matches \"\(request)\"; available: "
        + (available.isEmpty ? "none" : available.joined(separator: ", "))
    case .unsupported(let operation, let device):
      return "\(operation) is not supported by \(device)"
    case .buildFailed(let file, let line, let device, let log):
      let place = line.map { "\(file):\($0)" } ?? file
      return "building \(place) for \(device) failed:\n\(log)"
    case .argumentMismatch(let kernel, let position, let expected, let got):
      let place = position.map { "argument \($0)" } ?? "argument count"
      return "kernel \(kernel), \(place): host code declares \(expected), the kernel has \(got)"
    }
  }

  /// The CL_ name of an OpenCL status code, with its number.
  ///
  /// Source: OpenCL 1.2 specification, appendix A, and cl_ext.h for the ICD loader's code.
  public static func name(ofCode code: Int32) -> String {
    let names: [Int32: String] = [
      0: "CL_SUCCESS", -1: "CL_DEVICE_NOT_FOUND", -2: "CL_DEVICE_NOT_AVAILABLE",
      -3: "CL_COMPILER_NOT_AVAILABLE", -4: "CL_MEM_OBJECT_ALLOCATION_FAILURE",
      -5: "CL_OUT_OF_RESOURCES", -6: "CL_OUT_OF_HOST_MEMORY",
      -7: "CL_PROFILING_INFO_NOT_AVAILABLE", -8: "CL_MEM_COPY_OVERLAP",
      -9: "CL_IMAGE_FORMAT_MISMATCH", -10: "CL_IMAGE_FORMAT_NOT_SUPPORTED",
      -11: "CL_BUILD_PROGRAM_FAILURE", -12: "CL_MAP_FAILURE",
      -13: "CL_MISALIGNED_SUB_BUFFER_OFFSET", -14: "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
      -15: "CL_COMPILE_PROGRAM_FAILURE", -16: "CL_LINKER_NOT_AVAILABLE",
      -17: "CL_LINK_PROGRAM_FAILURE", -18: "CL_DEVICE_PARTITION_FAILED",
      -19: "CL_KERNEL_ARG_INFO_NOT_AVAILABLE", -30: "CL_INVALID_VALUE",
      -31: "CL_INVALID_DEVICE_TYPE", -32: "CL_INVALID_PLATFORM", -33: "CL_INVALID_DEVICE",
      -34: "CL_INVALID_CONTEXT", -35: "CL_INVALID_QUEUE_PROPERTIES",
      -36: "CL_INVALID_COMMAND_QUEUE", -37: "CL_INVALID_HOST_PTR", -38: "CL_INVALID_MEM_OBJECT",
      -39: "CL_INVALID_IMAGE_FORMAT_DESCRIPTOR", -40: "CL_INVALID_IMAGE_SIZE",
      -41: "CL_INVALID_SAMPLER", -42: "CL_INVALID_BINARY", -43: "CL_INVALID_BUILD_OPTIONS",
      -44: "CL_INVALID_PROGRAM", -45: "CL_INVALID_PROGRAM_EXECUTABLE",
      -46: "CL_INVALID_KERNEL_NAME", -47: "CL_INVALID_KERNEL_DEFINITION",
      -48: "CL_INVALID_KERNEL", -49: "CL_INVALID_ARG_INDEX", -50: "CL_INVALID_ARG_VALUE",
      -51: "CL_INVALID_ARG_SIZE", -52: "CL_INVALID_KERNEL_ARGS",
      -53: "CL_INVALID_WORK_DIMENSION", -54: "CL_INVALID_WORK_GROUP_SIZE",
      -55: "CL_INVALID_WORK_ITEM_SIZE", -56: "CL_INVALID_GLOBAL_OFFSET",
      -57: "CL_INVALID_EVENT_WAIT_LIST", -58: "CL_INVALID_EVENT", -59: "CL_INVALID_OPERATION",
      -60: "CL_INVALID_GL_OBJECT", -61: "CL_INVALID_BUFFER_SIZE", -62: "CL_INVALID_MIP_LEVEL",
      -63: "CL_INVALID_GLOBAL_WORK_SIZE", -64: "CL_INVALID_PROPERTY",
      -65: "CL_INVALID_IMAGE_DESCRIPTOR", -66: "CL_INVALID_COMPILER_OPTIONS",
      -67: "CL_INVALID_LINKER_OPTIONS", -68: "CL_INVALID_DEVICE_PARTITION_COUNT",
      -1001: "CL_PLATFORM_NOT_FOUND_KHR",
    ]
    return names[code].map { "\($0) (\(code))" } ?? "code \(code)"
  }
}

/// Throws `callFailed` unless `code` is CL_SUCCESS.
func check(_ code: cl_int, _ call: String, _ context: @autoclosure () -> String = "") throws {
  guard code == CL_SUCCESS else {
    throw OpenCLError.callFailed(call: call, code: code, context: context())
  }
}
