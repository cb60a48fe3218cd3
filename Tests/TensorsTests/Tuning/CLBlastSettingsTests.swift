import OpenCL
import Testing

@testable import Tensors

@Suite(.serialized) struct CLBlastSettingsTests {
  /// A GPU of today: 1024 work-items, 48 KiB.
  static let gpu = KernelLimits(workGroup: 1024, localMemory: 48 << 10)

  @Test(arguments: CLBlastKernel.allCases) func known_canRun(kernel: CLBlastKernel) {
    for parameters in kernel.known { #expect(kernel.accepts(parameters, on: Self.gpu)) }
  }

  @Test func accepts_refusesWhatCannotRunOrWouldBeWrong() throws {
    let indirect = try #require(CLBlastKernel.indirect.known.first)
    for change in [
      ["MDIMC": 7], ["MWG": 100], ["VWM": 32], ["KWI": 3], ["MDIMA": 64], ["NDIMB": 3],
      ["KWG": 0], ["SA": 2, "KWG": 1024], ["MWG": 1 << 40], ["MDIMC": -8], ["GEMMK": 1],
      ["MDIMC": 32, "NDIMC": 64, "MDIMA": 32, "NDIMB": 64, "MWG": 128, "NWG": 64],
      ["MWG": 1024, "NWG": 1024],
    ] {
      let changed = indirect.merging(change) { $1 }
      #expect(!CLBlastKernel.indirect.accepts(changed, on: Self.gpu), "\(change)")
    }
    let direct = try #require(CLBlastKernel.direct.known.first)
    for change in [
      ["WGD": 24], ["KWID": 5], ["VWMD": 8], ["MDIMAD": 12], ["WGD": 128], ["VWND": 0],
    ] {
      #expect(
        !CLBlastKernel.direct.accepts(direct.merging(change) { $1 }, on: Self.gpu), "\(change)")
    }
    #expect(!CLBlastKernel.direct.accepts([:], on: Self.gpu))
    #expect(!CLBlastKernel.direct.accepts(direct.merging(["more": 1]) { $1 }, on: Self.gpu))
    let padding = ["PADTRA_PAD": 1, "PADTRA_TILE": 32, "PADTRA_WPT": 4]
    #expect(!CLBlastKernel.transpose.accepts(padding, on: Self.gpu))
    let small = KernelLimits(workGroup: 64, localMemory: 48 << 10)
    #expect(!CLBlastKernel.direct.accepts(direct, on: small))
    #expect(!CLBlastKernel.indirect.accepts(indirect, on: small))
  }

  /// CLBlast names what we name: else nothing could be set.
  @Test(arguments: CLBlastKernel.allCases) func own_haveOurNames(kernel: CLBlastKernel) throws {
    let own = try CLBlastSettings.ownParameters(of: kernel, on: .find(.best))
    #expect(Set(own.keys) == Set(kernel.values.keys))
  }

  /// In force for their product alone: what CLBlast takes by default comes back with the next.
  @Test func settings_areInForceForTheirOwnProducts() throws {
    let device = try Device.find(.best)
    let kernel = CLBlastKernel.pad
    let own = try CLBlastSettings.ownParameters(of: kernel, on: device)
    let other = ["PAD_DIMX": 8, "PAD_DIMY": 8, "PAD_WPTX": 1, "PAD_WPTY": 4]
    #expect(own != other)
    let settings = CLBlastSettings([kernel: other])
    for (settings, expected) in [
      (CLBlastSettings.own, own), (settings, other), (settings, other), (.own, own),
      (settings, other),
      (CLBlastSettings([.routine: [CLBlastKernel.switchPoint: 77]]), own),
    ] {
      #expect(
        try settings.use(on: device) { try kernel.parametersInForce(on: device) } == expected)
    }
    let switchPoint = try CLBlastSettings.own.use(on: device) {
      try CLBlastKernel.routine.parametersInForce(on: device)
    }
    #expect(
      try switchPoint == CLBlastSettings.ownParameters(of: .routine, on: device)
        && switchPoint != [CLBlastKernel.switchPoint: 77])
  }

  @Test func tuning_isTakenWhereTheDeviceCanRunIt() throws {
    let device = try Device.find(.best)
    let good = ["PAD_DIMX": 8, "PAD_DIMY": 8, "PAD_WPTX": 1, "PAD_WPTY": 4]
    func kernel(_ kernel: CLBlastKernel, _ parameters: [String: Int]) -> DeviceTuning.Kernel {
      DeviceTuning.Kernel(
        family: kernel.family, shapeClass: kernel.shapeClass, parameters: parameters, before: 2,
        after: 1)
    }
    let wrong = kernel(.transpose, ["PADTRA_TILE": 1])
    let tuning = DeviceTuning(
      key: .init(device), date: "2026-11-25T07:00:00Z", kernels: [kernel(.pad, good), wrong])
    #expect(tuning.kernelsRefused(by: device) == [wrong])
    let compute = try Compute(device: device, backend: .clblast, tuning: tuning)
    let backend = try #require(compute.backend as? CLBlastBackend)
    #expect(backend.settings.parameters == [.pad: good])
    #expect(compute.deviceDescription == "\(device.name), tuning \(tuning.fingerprint)")
    let ours = try Compute(device: device, backend: .opencl, tuning: tuning)
    #expect(ours.deviceDescription == device.name && ours.productTuning == nil)
  }
}
