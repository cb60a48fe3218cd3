import Foundation
import OpenCL

/// Kernel parameters that were measured to be good on one device with one driver.
///
/// A value to be passed to `Compute`; as JSON it is what `TuningStore` keeps and people share.
public struct DeviceTuning: Codable, Hashable, Sendable {
  /// The device and driver that parameters are measured for.
  public struct Key: Codable, Hashable, Sendable {
    /// As `Device` names them.
    public let platform, vendor, device, driver: String

    /// The key of `device`.
    public init(_ device: Device) {
      (platform, vendor) = (device.platform, device.vendor)
      (self.device, driver) = (device.name, device.driverVersion)
    }

    /// A key of these names.
    public init(platform: String, vendor: String, device: String, driver: String) {
      (self.platform, self.vendor) = (platform, vendor)
      (self.device, self.driver) = (device, driver)
    }
  }

  /// Parameters of one kernel family for one class of shapes.
  public struct Kernel: Codable, Hashable, Sendable {
    /// Whose parameters: `clblast/Xgemm`.
    public let family: String
    /// Which products, in the family's own words: `small`, `large`, `all`.
    public let shapeClass: String
    /// Values by name.
    public let parameters: [String: Int]
    /// Milliseconds a product before and with these parameters, geometric means over the products
    /// timed; their quotient is the gain.
    public let before, after: Double

    /// Parameters with the times that speak for them.
    public init(
      family: String, shapeClass: String, parameters: [String: Int], before: Double, after: Double
    ) {
      (self.family, self.shapeClass, self.parameters) = (family, shapeClass, parameters)
      (self.before, self.after) = (before, after)
    }

    /// How many times as fast as before.
    public var gain: Double { before / after }

    private enum CodingKeys: String, CodingKey {
      case family, parameters
      case shapeClass = "shape_class"
      case before = "milliseconds_before"
      case after = "milliseconds_after"
    }
  }

  /// What the parameters are for.
  public let key: Key
  /// When they were measured, as ISO 8601 has it.
  public let date: String
  /// At most one for each family and class.
  public let kernels: [Kernel]

  /// Parameters of one device; `date` as ISO 8601 has it.
  public init(key: Key, date: String, kernels: [Kernel]) {
    (self.key, self.date, self.kernels) = (key, date, kernels)
  }

  private enum CodingKeys: String, CodingKey {
    case format, date, kernels
    case key = "for"
  }

  private static let format = "gputrain-tuning-1"

  /// Reads what `encode` writes.
  ///
  /// - Throws: `DecodingError` for another format, fields that lack, times that are not positive,
  ///   a family and class that come twice.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func refuse(_ reason: String, _ field: CodingKeys) -> DecodingError {
      .dataCorruptedError(forKey: field, in: fields, debugDescription: reason)
    }
    let format = try fields.decode(String.self, forKey: .format)
    guard format == Self.format else {
      throw refuse("format is \(format), expected \(Self.format)", .format)
    }
    key = try fields.decode(Key.self, forKey: .key)
    date = try fields.decode(String.self, forKey: .date)
    kernels = try fields.decode([Kernel].self, forKey: .kernels)
    var seen: Set<[String]> = []
    for kernel in kernels {
      let name = "\(kernel.family) \(kernel.shapeClass)"
      guard kernel.before > 0, kernel.after > 0, kernel.gain.isFinite else {
        throw refuse("times of \(name) are not positive", .kernels)
      }
      guard kernel.parameters.values.allSatisfy({ (0...1 << 30).contains($0) }) else {
        throw refuse("a parameter of \(name) is no number from 0 to 2³⁰", .kernels)
      }
      guard seen.insert([kernel.family, kernel.shapeClass]).inserted else {
        throw refuse("\(name) is there twice", .kernels)
      }
    }
  }

  /// Writes an object with `format`, `for`, `date` and `kernels`.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(Self.format, forKey: .format)
    try fields.encode(key, forKey: .key)
    try fields.encode(date, forKey: .date)
    try fields.encode(kernels, forKey: .kernels)
  }

  /// The parameters of a family for a class of shapes; nil where none were found better than its own.
  public func parameters(family: String, shapeClass: String) -> [String: Int]? {
    kernels.first { $0.family == family && $0.shapeClass == shapeClass }?.parameters
  }

  /// The day of `date`.
  public var day: String { String(date.prefix { $0 != "T" }) }

  /// The kernels whose parameters `device` cannot run, of the families that are known here.
  public func kernelsRefused(by device: Device) -> [Kernel] {
    let (limits, tileLimits) = (KernelLimits(device), KernelLimits(tuningTilesOn: device))
    return kernels.filter { kernel in
      CLBlastKernel.allCases.contains {
        $0.family == kernel.family && $0.shapeClass == kernel.shapeClass
          && !$0.accepts(kernel.parameters, on: limits)
      }
        || TileFamily.all.contains {
          $0.name == kernel.family && $0.kernel(kernel.parameters, on: tileLimits) == nil
        }
    }
  }

  /// This with `found` in place of what it had for the families and classes that were `tried`.
  public func replacing(
    tried: [(family: String, shapeClass: String)], by found: [Kernel], date: String
  ) -> DeviceTuning {
    let kept = kernels.filter { kernel in
      !tried.contains { $0 == (kernel.family, kernel.shapeClass) }
    }
    return DeviceTuning(key: key, date: date, kernels: kept + found)
  }

  /// 16 hexadecimal digits of families, classes and parameters: equal where kernels are.
  public var fingerprint: String {
    let lines = kernels.map { kernel in
      let values = kernel.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return ([kernel.family, kernel.shapeClass] + values).joined(separator: " ")
    }
    var hash = FNV1a()
    hash.combine(Array(lines.sorted().joined(separator: "\n").utf8))
    return hash.hexadecimal
  }
}
