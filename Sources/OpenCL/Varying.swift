import Foundation

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
