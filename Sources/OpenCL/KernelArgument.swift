import COpenCL

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
