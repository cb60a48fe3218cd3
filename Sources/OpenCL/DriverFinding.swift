/// A GPU's driver that is on this machine while OpenCL offers no GPU of it, and what to do.
///
/// OpenCL's loader reads the files `*.icd` of one folder, `/etc/OpenCL/vendors` unless
/// `OCL_ICD_VENDORS` names another, and opens the library that each of them names. In containers and
/// minimal installations the file, the library or the device is often missing though the kernel's
/// driver is there. For example
///
///     for finding in DriverFinding.all(on: machine) { print(finding.description) }
public struct DriverFinding: Equatable, Sendable, Encodable {
  /// Who made the GPU.
  public enum Maker: String, Sendable, Encodable {
    /// NVIDIA's driver, with OpenCL in `libnvidia-opencl.so.1`.
    case nvidia = "NVIDIA"
    /// AMD's ROCm, with OpenCL in `libamdocl64.so`.
    case amd = "AMD"
  }

  /// What OpenCL lacks.
  public enum Gap: String, Sendable, Encodable {
    /// The driver's OpenCL library is not there.
    case library
    /// No ICD file names the library.
    case icdFile = "icd_file"
    /// Library and ICD file are there, but no device file, as in a container without GPUs.
    case deviceFile = "device_file"
    /// All of them are there, and still no GPU is offered.
    case unknown
  }

  /// Whose driver it is.
  public let maker: Maker
  /// What is missing.
  public let missing: Gap
  /// What was found, and what was not, as a sentence.
  public let found: String
  /// What to do, in order; commands stand as a shell takes them.
  public let remedies: [String]

  /// What was found, and a line for each remedy.
  public var description: String {
    ([found] + remedies.map { "  " + $0 }).joined(separator: "\n")
  }

  /// The findings on a machine where OpenCL offers no GPU: at most one a maker, none where no
  /// driver is there.
  public static func all(on machine: Machine) -> [DriverFinding] {
    [nvidia(on: machine), amd(on: machine)].compactMap { $0 }
  }
}

extension DriverFinding {
  /// What findings need to know of a machine, so that tests can describe one.
  public struct Machine {
    /// Whether there is a file or folder at a path.
    public var exists: (String) -> Bool
    /// Names of a folder's entries; empty where it cannot be read.
    public var names: (String) -> [String]
    /// A file's text; nil where it cannot be read.
    public var text: (String) -> String?
    /// The process's environment.
    public var environment: [String: String]

    /// A machine that answers by these functions.
    public init(
      exists: @escaping (String) -> Bool, names: @escaping (String) -> [String],
      text: @escaping (String) -> String?, environment: [String: String]
    ) {
      (self.exists, self.names, self.text) = (exists, names, text)
      self.environment = environment
    }

    /// The folder whose ICD files the loader reads.
    var vendors: String {
      for name in ["OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"] {
        if let folder = environment[name], !folder.isEmpty { return folder }
      }
      return "/etc/OpenCL/vendors"
    }

    /// Path of the first ICD file whose text contains `part`; nil where there is none.
    func icdFile(naming part: String) -> String? {
      let files =
        vendors.hasSuffix(".icd")
        ? [vendors]
        : names(vendors).sorted().filter { $0.hasSuffix(".icd") }.map { "\(vendors)/\($0)" }
      return files.first { text($0)?.contains(part) == true }
    }

    /// Whether this looks like the inside of a container.
    var isContainer: Bool {
      ["/.dockerenv", "/run/.containerenv", "/.singularity.d"].contains(where: exists)
        || ["container", "KUBERNETES_SERVICE_HOST", "NVIDIA_VISIBLE_DEVICES"].contains {
          environment[$0]?.isEmpty == false
        }
    }

    /// Whether this is Linux inside Windows (WSL), whose GPUs are reached through one device file.
    var isWSL: Bool { exists("/dev/dxg") }

    /// Whether packages are installed by apt-get, as on Debian and what is made of it.
    var hasApt: Bool { exists("/etc/debian_version") }

    /// Folders in which the dynamic loader finds libraries, as far as files say.
    var loaderFolders: [String] {
      let own = (environment["LD_LIBRARY_PATH"] ?? "").split(separator: ":").map(String.init)
      let configured = names("/etc/ld.so.conf.d").sorted().filter { $0.hasSuffix(".conf") }
        .flatMap { (text("/etc/ld.so.conf.d/\($0)") ?? "").split(separator: "\n") }
        .map { $0.trimmed }.filter { $0.hasPrefix("/") }
      return own + configured + [
        "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
      ]
    }

    /// Where library `name` lies, and whether the dynamic loader finds it there by its name.
    func library(
      _ name: String, elsewhere: [String]
    ) -> (path: String, isFoundByName: Bool)? {
      func first(_ folders: [String]) -> String? {
        folders.map { "\($0)/\(name)" }.first(where: exists)
      }
      return first(loaderFolders).map { ($0, true) } ?? first(elsewhere).map { ($0, false) }
    }
  }

  private static func nvidia(on machine: Machine) -> DriverFinding? {
    let elsewhere = [
      "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/run/opengl-driver/lib",
      "/usr/lib/wsl/lib",
    ]
    let versionFile = "/proc/driver/nvidia/version"
    let opencl = machine.library("libnvidia-opencl.so.1", elsewhere: elsewhere)
    let cuda = machine.library("libcuda.so.1", elsewhere: elsewhere)
    let devices = ["/dev/nvidia0", "/dev/nvidiactl"].filter(machine.exists)
    let signs =
      [versionFile].filter(machine.exists) + devices
      + [opencl?.path, cuda?.path].compactMap { $0 }
    guard !signs.isEmpty else { return nil }
    let container =
      "in a container: start it with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    let driver = "NVIDIA's driver is there (\(signs.joined(separator: ", ")))"
    func finding(_ missing: Gap, _ text: String, _ remedies: [String]) -> DriverFinding {
      DriverFinding(
        maker: .nvidia, missing: missing, found: "\(driver), but \(text)", remedies: remedies)
    }
    if machine.isWSL {
      return finding(
        opencl == nil ? .library : .unknown,
        "this is Linux inside Windows (WSL), where NVIDIA offers CUDA and no OpenCL",
        ["start Linux itself to compute on the GPU; here --device cpu computes on the processor"])
    }
    guard let opencl else {
      let major = machine.text(versionFile).flatMap(majorVersion)
      return finding(
        .library, "its OpenCL library libnvidia-opencl.so.1 is not",
        machine.isContainer
          ? [container, "in any case the library must be the driver's own version"]
          : [nvidiaPackage(version: major, on: machine)])
    }
    let name = opencl.isFoundByName ? "libnvidia-opencl.so.1" : opencl.path
    guard let file = machine.icdFile(naming: "nvidia") else {
      return finding(
        .icdFile, "no ICD file in \(machine.vendors) names its library",
        icdRemedies("nvidia.icd", naming: name, on: machine)
          + libraryPath(opencl.path, isFoundByName: opencl.isFoundByName))
    }
    if devices.isEmpty {
      return finding(
        .deviceFile, "there is no /dev/nvidia0",
        machine.isContainer
          ? [container] : ["load the driver: modprobe nvidia; nvidia-smi says what is wrong"])
    }
    return finding(
      .unknown, "OpenCL offers no GPU of it, though \(file) names its library",
      ["nvidia-smi says whether the driver runs, and whether library and driver are one version"]
        + libraryPath(opencl.path, isFoundByName: opencl.isFoundByName))
  }

  /// How the package with NVIDIA's OpenCL is installed, for a driver of this major version.
  private static func nvidiaPackage(version: String?, on machine: Machine) -> String {
    let number = version ?? "NNN"
    let unknown = version == nil ? ", NNN being the driver's version, which nvidia-smi prints" : ""
    let install =
      machine.hasApt
      ? "Debian: apt-get install nvidia-opencl-icd; Ubuntu: apt-get install "
        + "libnvidia-compute-\(number)"
      : "install the package of NVIDIA's driver, version \(number), that has libnvidia-opencl.so.1"
    return install + unknown
  }

  private static func amd(on machine: Machine) -> DriverFinding? {
    guard machine.exists("/dev/kfd") else { return nil }
    let library = machine.library(
      "libamdocl64.so", elsewhere: ["/opt/rocm/lib", "/opt/rocm/opencl/lib"])
    func finding(_ missing: Gap, _ text: String, _ remedies: [String]) -> DriverFinding {
      DriverFinding(
        maker: .amd, missing: missing, found: "AMD's driver is there (/dev/kfd), but \(text)",
        remedies: remedies)
    }
    guard let library else {
      return finding(
        .library, "its OpenCL library libamdocl64.so is not",
        [
          "from AMD's repository: "
            + (machine.hasApt ? "apt-get install" : "install the package") + " rocm-opencl-runtime"
        ])
    }
    guard let file = machine.icdFile(naming: "amdocl") else {
      return finding(
        .icdFile, "no ICD file in \(machine.vendors) names its library",
        icdRemedies("amdocl64.icd", naming: library.path, on: machine))
    }
    return finding(
      .unknown, "OpenCL offers no GPU of it, though \(file) names its library",
      machine.isContainer
        ? ["in a container: start it with --device /dev/kfd --device /dev/dri --group-add video"]
        : ["users need the groups render and video: sudo usermod -aG render,video $USER"])
  }

  /// The commands that write an ICD file: into the loader's folder, and without being root.
  private static func icdRemedies(
    _ file: String, naming library: String, on machine: Machine
  ) -> [String] {
    let folder = machine.vendors
    let isOwn = folder != "/etc/OpenCL/vendors"
    let own = isOwn && !folder.hasSuffix(".icd") ? folder : "$HOME/.config/OpenCL/vendors"
    let byUser =
      "mkdir -p \(own) && echo \(library) > \(own)/\(file) && export OCL_ICD_VENDORS=\(own)"
    if isOwn { return ["OCL_ICD_VENDORS is set, to \(folder): unset OCL_ICD_VENDORS, or", byUser] }
    return [
      "as root: mkdir -p \(folder) && echo \(library) > \(folder)/\(file)",
      "or for yourself: \(byUser)",
    ]
  }

  /// NVIDIA's OpenCL library opens its compiler by name, which must be found as well.
  private static func libraryPath(_ path: String, isFoundByName: Bool) -> [String] {
    guard !isFoundByName, let slash = path.lastIndex(of: "/") else { return [] }
    let folder = path[..<slash]
    return [
      "and, as the loader does not look in \(folder): "
        + "export LD_LIBRARY_PATH=\(folder)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    ]
  }

  /// 535 of `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  …`.
  private static func majorVersion(_ text: String) -> String? {
    text.split(separator: "\n").first?.split(separator: " ").lazy
      .map { $0.split(separator: ".") }
      .first { $0.count >= 2 && $0.allSatisfy { Int($0) != nil } }
      .map { String($0[0]) }
  }
}

extension Substring {
  /// Without spaces at both ends.
  fileprivate var trimmed: String {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
