/// Which device a user asked for.
public enum DeviceRequest: Hashable, Sendable {
  /// The GPU with the most memory, else the CPU with the most memory, else any device.
  case best
  /// Any device of this kind; the one with the most memory.
  case kind(Device.Kind)
  /// Position in `Device.all()`.
  case index(Int)
  /// Part of a device's name, case ignored.
  case namePart(String)

  /// Reads `gpu`, `cpu`, an index or a part of a name; `best` where `text` is empty.
  public init(_ text: String) {
    let lowercased = text.lowercased()
    if text.isEmpty {
      self = .best
    } else if let kind = Device.Kind(rawValue: lowercased) {
      self = .kind(kind)
    } else if let index = Int(text) {
      self = .index(index)
    } else {
      self = .namePart(lowercased)
    }
  }
}

extension Device {
  /// The device that `request` names; among several, the one with the most memory.
  ///
  /// - Throws: `OpenCLError.noDevice` where none matches, `noPlatform`, `callFailed`.
  public static func find(_ request: DeviceRequest) throws -> Device {
    let devices = try all()
    let matches: [Device]
    let text: String
    switch request {
    case .best:
      text = "any"
      let gpus = devices.filter { $0.kind == .gpu }
      let cpus = devices.filter { $0.kind == .cpu }
      matches = gpus.isEmpty ? (cpus.isEmpty ? devices : cpus) : gpus
    case .kind(let kind):
      text = kind.rawValue
      matches = devices.filter { $0.kind == kind }
    case .index(let index):
      text = "\(index)"
      matches = devices.filter { $0.index == index }
    case .namePart(let part):
      text = part
      matches = devices.filter { $0.name.lowercased().contains(part) }
    }
    guard let first = matches.first else {
      throw OpenCLError.noDevice(
        request: text, available: devices.map { "\($0.index) \($0.name) (\($0.kind.rawValue))" })
    }
    return matches.dropFirst().reduce(first) { $0.globalMemory >= $1.globalMemory ? $0 : $1 }
  }
}
