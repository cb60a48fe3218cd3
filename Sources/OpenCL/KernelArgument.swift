import COpenCL

/// The type of a kernel's argument, as the compiler reports it.
public struct KernelArgumentType: Equatable, CustomStringConvertible {
  /// The element's name in OpenCL C.
  public let element: String
  public let isGlobalPointer: Bool

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
  public static var kernelType: KernelArgumentType {
    KernelArgumentType(element: openCLName, isGlobalPointer: false)
  }

  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result {
    withUnsafeBytes(of: self) { body($0.count, $0.baseAddress!) }
  }
}

extension Float: KernelArgument {}
extension UInt32: KernelArgument {}
extension Int32: KernelArgument {}
extension UInt64: KernelArgument {}

extension Buffer: KernelArgument {
  public static var kernelType: KernelArgumentType {
    KernelArgumentType(element: Element.openCLName, isGlobalPointer: true)
  }

  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer) -> Result) -> Result {
    withUnsafeBytes(of: handle) { body($0.count, $0.baseAddress!) }
  }
}
