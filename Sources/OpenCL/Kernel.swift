import COpenCL

/// A kernel whose argument types are checked when it is loaded, and by the compiler when launched.
///
///     let scale = try Kernel<Buffer<Float>, Float, UInt32>(program, "scale")
///     try scale(queue, global: [256], local: [64], values, 2, UInt32(values.count))
public final class Kernel<each Argument: KernelArgument> {
  /// The function's name in the program.
  public let name: String
  /// nil in a recording context.
  private let handle: cl_kernel?
  private let program: Program

  /// Loads the kernel `name`.
  ///
  /// - Throws: `OpenCLError.argumentMismatch` where the compiled kernel's argument count or types
  ///   differ from `Argument`; `callFailed` where there is no such kernel.
  public init(_ program: Program, _ name: String) throws {
    self.name = name
    self.program = program
    guard program.context.recording == nil else {
      handle = nil
      return
    }
    var code: cl_int = 0
    handle = clCreateKernel(program.handle, name, &code)
    try check(code, "clCreateKernel", "\(name) in \(program.file)")
    var expected: [KernelArgumentType] = []
    for type in repeat (each Argument).self {
      expected.append(type.kernelType)
    }
    try verify(expected)
  }

  deinit {
    if let handle { clReleaseKernel(handle) }
  }

  /// Enqueues the kernel over `global` work-items in groups of `local`.
  ///
  /// - global: one to three sizes, each a multiple of `local`'s (a partly active group is wrong on
  ///   some drivers).
  /// - Throws: `OpenCLError.callFailed`.
  public func callAsFunction(
    _ queue: CommandQueue, global: [Int], local: [Int], _ argument: repeat each Argument
  ) throws {
    precondition(
      global.count == local.count && zip(global, local).allSatisfy { $0 > 0 && $0 % $1 == 0 },
      "\(name): global \(global) must be positive multiples of local \(local)")
    guard let handle else {
      var buffers: [UInt64: Int] = [:]
      for value in repeat each argument {
        if let memory = value as? any DeviceMemory { buffers[memory.serial] = memory.byteCount }
      }
      queue.context.recording?.launched(accessing: buffers.values.reduce(0, +))
      return
    }
    var index: cl_uint = 0
    for value in repeat each argument {
      let code = value.withArgument { clSetKernelArg(handle, index, $0, $1) }
      try check(code, "clSetKernelArg", "\(name), argument \(index)")
      index += 1
    }
    try check(
      clEnqueueNDRangeKernel(
        queue.handle, handle, cl_uint(global.count), nil, global, local, 0, nil, nil),
      "clEnqueueNDRangeKernel", launchPlace(name, global: global, local: local))
    if let recorder = queue.recorder {
      var arguments: [RecordedLaunch.Argument] = []
      var memory: [any DeviceMemory] = []
      for value in repeat each argument {
        arguments.append(RecordedLaunch.Argument(value))
        if let value = value as? any DeviceMemory { memory.append(value) }
      }
      recorder.note(
        RecordedLaunch(
          kernel: name, program: program, global: global, local: local, arguments: arguments),
        using: memory)
    }
  }

  private func verify(_ expected: [KernelArgumentType]) throws {
    guard let handle else { return }
    var count: cl_uint = 0
    try check(
      clGetKernelInfo(
        handle, cl_kernel_info(CL_KERNEL_NUM_ARGS), MemoryLayout<cl_uint>.size, &count, nil),
      "clGetKernelInfo", name)
    guard Int(count) == expected.count else {
      throw OpenCLError.argumentMismatch(
        kernel: name, position: nil, expected: "\(expected.count)", got: "\(count)")
    }
    for (index, type) in expected.enumerated() {
      guard let actual = declaredType(at: cl_uint(index)) else { continue }
      guard actual == type else {
        throw OpenCLError.argumentMismatch(
          kernel: name, position: index, expected: type.description, got: actual.description)
      }
    }
  }

  /// The compiled kernel's argument type; nil where the driver does not say: of a program loaded
  /// from a binary some drivers answer with an error, others with an empty text.
  private func declaredType(at index: cl_uint) -> KernelArgumentType? {
    var address: cl_kernel_arg_address_qualifier = 0
    guard let handle,
      clGetKernelArgInfo(
        handle, index, cl_kernel_arg_info(CL_KERNEL_ARG_ADDRESS_QUALIFIER),
        MemoryLayout.size(ofValue: address), &address, nil) == CL_SUCCESS,
      let text = try? queryString(
        "clGetKernelArgInfo",
        {
          clGetKernelArgInfo(
            handle, index, cl_kernel_arg_info(CL_KERNEL_ARG_TYPE_NAME), $0, $1, $2)
        })
    else { return nil }
    let element = text.filter { $0 != "*" && $0 != " " }
    return element.isEmpty
      ? nil
      : KernelArgumentType(
        element: element,
        isGlobalPointer: address == cl_kernel_arg_address_qualifier(CL_KERNEL_ARG_ADDRESS_GLOBAL))
  }
}
