import COpenCL
import Synchronization

/// An OpenCL device and what its driver says of it.
public struct Device {
  /// What a device computes with.
  public enum Kind: String, Sendable {
    /// The host's own processors, as PoCL and Intel's driver offer them.
    case cpu
    /// A graphics processor.
    case gpu
    /// Anything else, such as a signal processor.
    case accelerator
  }

  /// The handle that OpenCL calls take.
  public let id: cl_device_id
  /// Position in `Device.all()`.
  public let index: Int
  /// What the device computes with; the most capable where a driver names several.
  public let kind: Kind
  /// The device's name.
  public let name: String
  /// Who made the device.
  public let vendor: String
  /// Name of the driver's platform.
  public let platform: String
  /// OpenCL version, as the driver words it.
  public let version: String
  /// Version of the driver.
  public let driverVersion: String
  /// Bytes of device memory, as reported. PoCL reports far less than a CPU's memory.
  public let globalMemory: UInt64
  /// Largest single buffer, bytes.
  public let maximumAllocation: UInt64
  /// Local memory of a work-group, bytes.
  public let localMemory: UInt64
  /// Bytes of the cache of global memory; a CPU's last level.
  public let globalCache: UInt64
  /// Cores of a CPU, multiprocessors of a GPU.
  public let computeUnits: Int
  /// Floats in one native vector register; 1 on GPUs.
  public let nativeFloatWidth: Int
  /// Most work-items in one work-group.
  public let maximumWorkGroupSize: Int
  /// Most work-items of a work-group in each dimension.
  public let maximumWorkItemSizes: [Int]
  /// Names of the OpenCL extensions on offer.
  public let extensions: [String]
  /// Whether `CommandQueue.enqueueNative` works: host functions in the queue.
  public let supportsNativeKernels: Bool

  /// Major and minor version of an NVIDIA GPU's architecture, such as 9, 0; nil where the driver does
  /// not say.
  public let computeCapability: (major: Int, minor: Int)?

  /// Name of NVIDIA's platform, whose compiler has options of its own.
  public static let nvidiaPlatform = "NVIDIA CUDA"

  /// Whether the driver itself keeps compiled programs between processes, where a binary of ours
  /// would only be read twice: PoCL, by its own account of them in the user's cache directory.
  public var keepsPrograms: Bool { platform == "Portable Computing Language" }

  /// Every device of every platform, in the loader's order.
  ///
  /// - Throws: `OpenCLError.noPlatform` where none is installed; `callFailed`.
  public static func all() throws -> [Device] {
    try discovery.withLock { _ in try discover() }
  }

  /// PoCL 3.1 sets up its devices in the first query, which two threads must not make at once.
  private static let discovery = Mutex(())

  private static func discover() throws -> [Device] {
    var platformCount: cl_uint = 0
    let code = clGetPlatformIDs(0, nil, &platformCount)
    // -1001 is CL_PLATFORM_NOT_FOUND_KHR, the ICD loader's answer where no driver is installed.
    guard code != -1001, platformCount > 0 else { throw OpenCLError.noPlatform }
    try check(code, "clGetPlatformIDs")
    var platforms = [cl_platform_id?](repeating: nil, count: Int(platformCount))
    try check(clGetPlatformIDs(platformCount, &platforms, nil), "clGetPlatformIDs")

    var devices: [Device] = []
    for case let platform? in platforms {
      var count: cl_uint = 0
      let everyType = cl_device_type(CL_DEVICE_TYPE_ALL)
      let code = clGetDeviceIDs(platform, everyType, 0, nil, &count)
      if code == CL_DEVICE_NOT_FOUND || count == 0 { continue }
      try check(code, "clGetDeviceIDs")
      var ids = [cl_device_id?](repeating: nil, count: Int(count))
      try check(clGetDeviceIDs(platform, everyType, count, &ids, nil), "clGetDeviceIDs")
      for case let id? in ids {
        devices.append(try Device(id: id, index: devices.count, platform: platform))
      }
    }
    return devices
  }

  private init(id: cl_device_id, index: Int, platform: cl_platform_id) throws {
    self.id = id
    self.index = index
    self.platform = try queryString("clGetPlatformInfo") {
      clGetPlatformInfo(platform, cl_platform_info(CL_PLATFORM_NAME), $0, $1, $2)
    }
    func string(_ parameter: Int32) throws -> String {
      try queryString("clGetDeviceInfo") {
        clGetDeviceInfo(id, cl_device_info(parameter), $0, $1, $2)
      }
    }
    func value<T: BitwiseCopyable & ExpressibleByIntegerLiteral>(_ parameter: Int32) throws -> T {
      var result: T = 0
      try check(
        clGetDeviceInfo(id, cl_device_info(parameter), MemoryLayout<T>.size, &result, nil),
        "clGetDeviceInfo")
      return result
    }

    let type: cl_device_type = try value(CL_DEVICE_TYPE)
    kind =
      if type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0 {
        .gpu
      } else if type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 {
        .cpu
      } else {
        .accelerator
      }
    name = try string(CL_DEVICE_NAME)
    vendor = try string(CL_DEVICE_VENDOR)
    version = try string(CL_DEVICE_VERSION)
    driverVersion = try string(CL_DRIVER_VERSION)
    globalMemory = try value(CL_DEVICE_GLOBAL_MEM_SIZE)
    maximumAllocation = try value(CL_DEVICE_MAX_MEM_ALLOC_SIZE)
    localMemory = try value(CL_DEVICE_LOCAL_MEM_SIZE)
    globalCache = try value(CL_DEVICE_GLOBAL_MEM_CACHE_SIZE)
    computeUnits = Int(try value(CL_DEVICE_MAX_COMPUTE_UNITS) as cl_uint)
    nativeFloatWidth = Int(try value(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) as cl_uint)
    maximumWorkGroupSize = try value(CL_DEVICE_MAX_WORK_GROUP_SIZE)
    let dimensions: cl_uint = try value(CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS)
    var sizes = [Int](repeating: 0, count: Int(dimensions))
    try check(
      clGetDeviceInfo(
        id, cl_device_info(CL_DEVICE_MAX_WORK_ITEM_SIZES),
        sizes.count * MemoryLayout<Int>.size, &sizes, nil), "clGetDeviceInfo")
    maximumWorkItemSizes = sizes
    extensions = try string(CL_DEVICE_EXTENSIONS).split(separator: " ").map(String.init)
    let capabilities: cl_device_exec_capabilities = try value(CL_DEVICE_EXECUTION_CAPABILITIES)
    // CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV and _MINOR_NV of cl_nv_device_attribute_query.
    if extensions.contains("cl_nv_device_attribute_query"),
      let major = try? value(0x4000) as cl_uint, let minor = try? value(0x4001) as cl_uint
    {
      computeCapability = (Int(major), Int(minor))
    } else {
      computeCapability = nil
    }
    supportsNativeKernels = capabilities & cl_device_exec_capabilities(CL_EXEC_NATIVE_KERNEL) != 0
  }
}

/// A string that an OpenCL query returns in two calls, its length and then its bytes.
func queryString(
  _ call: String,
  _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
) throws -> String {
  var size = 0
  try check(query(0, nil, &size), call)
  var bytes = [UInt8](repeating: 0, count: size)
  try check(query(size, &bytes, nil), call)
  return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

/// Which device a user asked for.
public enum DeviceRequest: Hashable, Sendable {
  /// The GPU with the most memory, else the CPU with the most memory, else any device.
  case best
  /// Any device of this kind; the one with the most memory.
  case kind(Device.Kind)
  /// Of the devices of this kind, in the order of `Device.all()`, the one with this number, from 0.
  case ordinal(Device.Kind, Int)
  /// Position in `Device.all()`.
  case index(Int)
  /// Part of a device's name, case ignored.
  case namePart(String)

  /// Reads `gpu`, `cpu`, `gpu:1`, an index or a part of a name; `best` where `text` is empty.
  public init(_ text: String) {
    let lowercased = text.lowercased()
    let parts = lowercased.split(separator: ":")
    if text.isEmpty {
      self = .best
    } else if parts.count == 2, let kind = Device.Kind(rawValue: String(parts[0])),
      let number = Int(parts[1]), number >= 0
    {
      self = .ordinal(kind, number)
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
    case .ordinal(let kind, let number):
      text = "\(kind.rawValue):\(number)"
      matches = Array(devices.filter { $0.kind == kind }.dropFirst(number).prefix(1))
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
