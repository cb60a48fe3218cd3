import Testing

@testable import OpenCL

/// What is said of drivers that OpenCL does not reach, on machines described by their files.
@Suite struct DriverFindingTests {
  /// A machine with these files, by their text.
  private func machine(
    _ files: [String: String], environment: [String: String] = [:]
  ) -> DriverFinding.Machine {
    DriverFinding.Machine(
      exists: { path in files.keys.contains { $0 == path || $0.hasPrefix(path + "/") } },
      names: { folder in
        files.keys.filter { $0.hasPrefix(folder + "/") }.map {
          String($0.dropFirst(folder.count + 1))
        }
      },
      text: { files[$0] }, environment: environment)
  }

  private func only(
    _ files: [String: String], environment: [String: String] = [:]
  ) throws -> DriverFinding {
    let findings = DriverFinding.all(on: machine(files, environment: environment))
    #expect(findings.count == 1, "\(findings)")
    return try #require(findings.first)
  }

  private let version = [
    "/proc/driver/nvidia/version":
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
  ]
  private let device = ["/dev/nvidia0": "", "/dev/nvidiactl": ""]
  private let library = ["/usr/lib/x86_64-linux-gnu/libnvidia-opencl.so.1": ""]

  @Test func withoutDriver_nothingIsSaid() {
    #expect(DriverFinding.all(on: machine(["/etc/OpenCL/vendors/pocl.icd": "libpocl.so.2"])) == [])
  }

  @Test func missingICDFile_commandWritesIt() throws {
    let finding = try only(version.merging(device) { $1 }.merging(library) { $1 })
    #expect(finding.maker == .nvidia && finding.missing == .icdFile)
    #expect(finding.found.contains("/proc/driver/nvidia/version"))
    #expect(
      finding.remedies == [
        "as root: mkdir -p /etc/OpenCL/vendors && "
          + "echo libnvidia-opencl.so.1 > /etc/OpenCL/vendors/nvidia.icd",
        "or for yourself: mkdir -p $HOME/.config/OpenCL/vendors && echo libnvidia-opencl.so.1 > "
          + "$HOME/.config/OpenCL/vendors/nvidia.icd && "
          + "export OCL_ICD_VENDORS=$HOME/.config/OpenCL/vendors",
      ])
  }

  /// Containers mount the driver's libraries where the loader does not look.
  @Test func libraryOutOfTheLoadersSight_isNamedByItsPath() throws {
    let path = "/usr/local/nvidia/lib64/libnvidia-opencl.so.1"
    let finding = try only(device.merging([path: ""]) { $1 })
    #expect(finding.missing == .icdFile)
    #expect(finding.remedies[0].contains("echo \(path) > /etc/OpenCL/vendors/nvidia.icd"))
    #expect(finding.remedies.last?.contains("LD_LIBRARY_PATH=/usr/local/nvidia/lib64$") == true)

    // Unless they are configured for it.
    let known = try only(
      device.merging([path: "", "/etc/ld.so.conf.d/n.conf": "# x\n /usr/local/nvidia/lib64 \n"]) {
        $1
      })
    #expect(known.remedies[0].contains("echo libnvidia-opencl.so.1 > "))
    #expect(!known.description.contains("LD_LIBRARY_PATH"))
    let own = try only(
      device.merging([path: ""]) { $1 }, environment: ["LD_LIBRARY_PATH": "/usr/local/nvidia/lib64"]
    )
    #expect(!own.description.contains("export LD_LIBRARY_PATH"))
  }

  private let debian = ["/etc/debian_version": "12.5"]

  @Test(arguments: [
    (["/usr/lib64/libcuda.so.1": ""], "NNN"),
    ([:], "535"),
  ]) func missingLibrary_packageIsNamed(files: [String: String], number: String) throws {
    let present = files.isEmpty ? version : files
    let finding = try only(present.merging(debian) { $1 })
    #expect(finding.missing == .library)
    #expect(finding.description.contains("apt-get install libnvidia-compute-\(number)"))
    #expect(finding.description.contains("apt-get install nvidia-opencl-icd"))

    let other = try only(present)
    #expect(other.missing == .library)
    #expect(other.description.contains("NVIDIA's driver, version \(number), that has libnvidia-"))
    #expect(!other.description.contains("apt-get"))
    #expect(other.description.contains("NNN being") == (number == "NNN"))
  }

  /// No package gives OpenCL there, whether the driver's library was installed or not.
  @Test func underWSL_nothingIsToBeInstalled() throws {
    let inside = ["/dev/dxg": "", "/usr/lib/wsl/lib/libcuda.so.1": ""].merging(debian) { $1 }
    let installed = inside.merging(library) { $1 }.merging([
      "/etc/OpenCL/vendors/nvidia.icd": "libnvidia-opencl.so.1\n"
    ]) { $1 }
    for (files, missing) in [(inside, DriverFinding.Gap.library), (installed, .unknown)] {
      let finding = try only(files)
      #expect(finding.maker == .nvidia && finding.missing == missing)
      #expect(finding.found.contains("/usr/lib/wsl/lib/libcuda.so.1"))
      #expect(finding.found.contains("WSL"))
      #expect(finding.description.contains("--device cpu"))
      #expect(!finding.description.contains("apt-get"))
    }
    #expect(DriverFinding.all(on: machine(["/dev/dxg": ""])) == [])
  }

  @Test(arguments: [["container": "docker"], ["KUBERNETES_SERVICE_HOST": "10.0.0.1"], [:]])
  func inContainers_theStartOptionsAreNamed(environment: [String: String]) throws {
    let mark = environment.isEmpty ? ["/.dockerenv": ""] : [:]
    let inside = version.merging(mark) { $1 }
    let lacking = try only(inside, environment: environment)
    #expect(lacking.missing == .library)
    #expect(lacking.description.contains("NVIDIA_DRIVER_CAPABILITIES=compute,utility"))
    #expect(!lacking.description.contains("apt-get"))

    let deviceless = try only(
      inside.merging(library) { $1 }.merging([
        "/etc/OpenCL/vendors/nvidia.icd": "libnvidia-opencl.so.1\n"
      ]) { $1 }, environment: environment)
    #expect(deviceless.missing == .deviceFile)
    #expect(deviceless.description.contains("--gpus all"))
  }

  @Test func everythingThere_askTheDriver() throws {
    let icd = ["/etc/OpenCL/vendors/nvidia.icd": "libnvidia-opencl.so.1\n"]
    let all = version.merging(device) { $1 }.merging(library) { $1 }.merging(icd) { $1 }
    let finding = try only(all)
    #expect(finding.missing == .unknown && finding.description.contains("nvidia-smi"))
  }

  @Test func otherVendorsFolder_isLookedAtInPlace() throws {
    let icd = ["/etc/OpenCL/vendors/nvidia.icd": "libnvidia-opencl.so.1\n", "/mine/a.icd": "x"]
    let all = version.merging(device) { $1 }.merging(library) { $1 }.merging(icd) { $1 }
    let finding = try only(all, environment: ["OCL_ICD_VENDORS": "/mine"])
    #expect(finding.missing == .icdFile && finding.found.contains("/mine"))
    #expect(finding.description.contains("unset OCL_ICD_VENDORS"))
    #expect(finding.description.contains("> /mine/nvidia.icd"))
  }

  @Test func amd_inTheSameWay() throws {
    let kfd = ["/dev/kfd": ""]
    #expect(try only(kfd).missing == .library)
    #expect(try only(kfd).remedies[0].hasSuffix("install the package rocm-opencl-runtime"))
    let onDebian = try only(kfd.merging(debian) { $1 })
    #expect(onDebian.remedies[0].hasSuffix("apt-get install rocm-opencl-runtime"))
    #expect(try only(kfd).maker == .amd)
    let library = kfd.merging(["/opt/rocm/lib/libamdocl64.so": ""]) { $1 }
    let finding = try only(library)
    #expect(finding.missing == .icdFile)
    #expect(
      finding.remedies[0].contains(
        "echo /opt/rocm/lib/libamdocl64.so > /etc/OpenCL/vendors/amdocl64.icd"))
    let complete = library.merging([
      "/etc/OpenCL/vendors/amdocl64.icd": "/opt/rocm/lib/libamdocl64.so"
    ]) { $1 }
    #expect(try only(complete).description.contains("usermod -aG render,video"))
    let container = complete.merging(["/.dockerenv": ""]) { $1 }
    #expect(try only(container).description.contains("--device /dev/kfd"))
  }

  @Test func bothMakers_oneFindingEach() {
    let findings = DriverFinding.all(on: machine(version.merging(["/dev/kfd": ""]) { $1 }))
    #expect(findings.map(\.maker) == [.nvidia, .amd])
  }
}
