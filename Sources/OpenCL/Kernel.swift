import COpenCL
import Foundation

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

/// The type of a kernel's argument, as the compiler reports it.
public struct KernelArgumentType: Equatable, CustomStringConvertible {
  /// The element's name in OpenCL C.
  public let element: String
  /// Whether the argument is a pointer to global memory.
  public let isGlobalPointer: Bool

  /// The type as OpenCL C declares it.
  public var description: String { isGlobalPointer ? "__global \(element)*" : element }
}

/// A value that can be passed to a kernel.
public protocol KernelArgument {
  /// What the kernel must declare to take it.
  static var kernelType: KernelArgumentType { get }
  /// Calls `body` with the size and address that clSetKernelArg takes.
  func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result
}

extension KernelArgument where Self: KernelScalar {
  /// The scalar's type in OpenCL C.
  public static var kernelType: KernelArgumentType {
    KernelArgumentType(element: openCLName, isGlobalPointer: false)
  }

  /// Calls `body` with the value's size and address.
  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result {
    withUnsafeBytes(of: self) { body($0.count, $0.baseAddress!) }
  }
}

extension Float: KernelArgument {}
extension UInt32: KernelArgument {}
extension UInt64: KernelArgument {}

extension Buffer: KernelArgument {
  /// A global pointer to the element's type.
  public static var kernelType: KernelArgumentType {
    KernelArgumentType(element: Element.openCLName, isGlobalPointer: true)
  }

  /// Calls `body` with the value's size and address.
  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result {
    withUnsafeBytes(of: handle) { body($0.count, $0.baseAddress!) }
  }
}

/// A scalar argument whose value may be another when recorded launches are made again.
///
/// Every launch that is given this very object takes the value that it has then; launches that take a
/// plain number repeat the recorded one.
///
///     let rate = Varying<Float>(0.1)
///     let launches = try queue.record {
///       try scale(queue, global: [256], local: [64], values, rate, UInt32(values.count))
///     }
///     rate.value = 0.05
///     try launches?.replay(on: queue)
public final class Varying<Value: KernelScalar & KernelArgument>: KernelArgument {
  /// What launches take from now on.
  public var value: Value {
    didSet { if !Self.areAlike(oldValue, value) { version += 1 } }
  }
  /// Another whenever the value's bits are others.
  private(set) var version = 0

  /// A scalar of this value at first.
  public init(_ value: Value) { self.value = value }

  /// The scalar's type in OpenCL C.
  public static var kernelType: KernelArgumentType { Value.kernelType }

  /// Calls `body` with the value's size and address.
  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result {
    value.withArgument(body)
  }

  /// Bit for bit: 0 and −0 are two values.
  private static func areAlike(_ first: Value, _ second: Value) -> Bool {
    withUnsafeBytes(of: first) { first in
      withUnsafeBytes(of: second) {
        memcmp(first.baseAddress!, $0.baseAddress!, first.count) == 0
      }
    }
  }
}

extension Varying: ExpressibleByIntegerLiteral where Value: ExpressibleByIntegerLiteral {
  /// A scalar of this value at first.
  public convenience init(integerLiteral value: Value.IntegerLiteralType) {
    self.init(Value(integerLiteral: value))
  }
}

extension Varying: ExpressibleByFloatLiteral where Value: ExpressibleByFloatLiteral {
  /// A scalar of this value at first.
  public convenience init(floatLiteral value: Value.FloatLiteralType) {
    self.init(Value(floatLiteral: value))
  }
}

/// A `Varying` of whatever type.
protocol VaryingArgument: AnyObject, KernelArgument {
  /// Another whenever the value's bits are others.
  var version: Int { get }
}

extension Varying: VaryingArgument {}
