/// What matrix products round their operands to; sums are float32 throughout, and so is all else.
///
/// Which one is part of a run's settings: none is chosen by what happens to be faster.
public enum ProductPrecision: String, Codable, Hashable, Sendable, CaseIterable {
  /// No rounding: fused multiply-adds of float32.
  case fp32
  /// Tensor cores, each operand as a sum of two of `tf32`: as good as no rounding.
  case tf32x3
  /// Tensor cores, 10 bits behind the leading one.
  case tf32
  /// Tensor cores, bfloat16: 7 bits behind the leading one.
  case bf16

  /// Whether products take NVIDIA's tensor cores.
  public var needsTensorCores: Bool { self != .fp32 }

  /// A bound on a product's error over Σ|a·b|: that of two rounded operands and of k additions.
  ///
  ///     fp32 4√k·2⁻²³   tf32x3 2⁻²⁰ more   tf32 2·2⁻¹¹ more   bf16 2·2⁻⁸ more
  ///
  /// Rounding of k additions grows as √k; tensor cores cut sums off, so there it grows as k.
  public func relativeBound(depth: Int) -> Double {
    let ulp = Double(Float.ulpOfOne)
    let sums = needsTensorCores ? 2 * Double(depth) * ulp : 4 * Double(depth).squareRoot() * ulp
    return switch self {
    case .fp32: sums
    case .tf32x3: sums + 0x1p-20
    case .tf32: sums + 0x1.01p-10
    case .bf16: sums + 0x1.01p-7
    }
  }

  /// `PRECISION` of Kernels/multiply_tensor.cl; nil where that is not for it.
  var kernelCode: Int? {
    switch self {
    case .fp32: nil
    case .tf32: 1
    case .bf16: 2
    case .tf32x3: 3
    }
  }
}

/// A precision that the device does not have.
public struct PrecisionError: Error, CustomStringConvertible {
  /// What was asked for.
  public let precision: ProductPrecision
  /// Why it cannot be had.
  public let reason: String

  /// What is needed, and what was found.
  public var description: String {
    "precision \(precision.rawValue) needs NVIDIA tensor cores: \(reason)"
  }
}
