import OpenCL

/// Which kernels of products on GPUs are compiled, but for the variant.
package enum GPUProductKernel: Hashable, Sendable {
  /// Kernels/multiply_local.cl.
  case local(LocalTile)
  /// Kernels/multiply_tensor.cl.
  case tensor(TensorTile, ProductPrecision, emulation: Emulation? = nil)
  /// Kernels/multiply_warpgroup.cl. isEmulated: in OpenCL C, for tests.
  case warpgroup(WarpgroupTile, ProductPrecision, isEmulated: Bool = false)

  /// Tensor cores and asynchronous copies in OpenCL C, for tests: a copy made as soon as it is
  /// asked for, or as late as a wait lets it be.
  package enum Emulation: Int, Hashable, Sendable {
    case early = 1
    case late = 2
  }

  package var tile: any ProductTile {
    switch self {
    case .local(let tile): tile
    case .tensor(let tile, _, _): tile
    case .warpgroup(let tile, _, _): tile
    }
  }

  /// Whether operands are packed before (`PackedOperand`).
  var packsOperands: Bool {
    if case .warpgroup = self { true } else { false }
  }

  /// Whether there is a kernel that ends so. Those of warpgroups have no slices, no registers for an update's
  /// state beside large tiles, and no calls, which would make each product wait for the one before: tanh
  /// is one (`MatrixProduct.withoutLongNonlinearity`).
  func serves(_ ending: ProductVariant.Ending) -> Bool {
    guard packsOperands else { return true }
    return switch ending {
    case .slice: false
    case .update: tile.columns == 128
    case .epilogue(_, let activation): !activation.isLong
    }
  }

  /// What a trial's product is a little longer than in k: rounds of local memory's places.
  var trialDepth: Int {
    guard case .warpgroup(let tile, _, _) = self else { return 5 * tile.depth }
    return (2 * tile.stages + 1) * tile.depth
  }

  var precision: ProductPrecision {
    switch self {
    case .local: .fp32
    case .tensor(_, let precision, _), .warpgroup(_, let precision, _): precision
    }
  }

  var source: KernelSource {
    switch self {
    case .local: .multiplyLocal
    case .tensor: .multiplyTensor
    case .warpgroup: .multiplyWarpgroup
    }
  }

  /// What `variant` is compiled from on a device of `platform`.
  func program(_ variant: ProductVariant, platform: String) -> ProgramKey {
    var numbers = tile.parameters.merging(variant.parameters) { $1 }
    var holdsBack = false
    switch self {
    case .local: break
    case .tensor(_, let precision, let emulation):
      numbers["PRECISION"] = precision.kernelCode
      numbers["EMULATED"] = emulation?.rawValue
    case .warpgroup(_, let precision, let isEmulated):
      numbers["PRECISION"] = precision.kernelCode
      numbers["EMULATED"] = isEmulated ? 1 : nil
      // Packed operands lie alike in all transpose modes.
      numbers["FORM"] = 0
      holdsBack = !isEmulated
    }
    let options = buildOptions(variant, platform: platform)
    if !options.isEmpty { numbers["LIMITED"] = 1 }
    return ProgramKey(
      source: source, definitions: numbers.mapValues(String.init), rule: variant.rule,
      options: options,
      holdsBackInstructions: holdsBack)
  }

  /// Options for the compiler of `platform`: a limit to a work-item's registers, which NVIDIA's
  /// takes and others refuse.
  func buildOptions(_ variant: ProductVariant, platform: String) -> [String] {
    guard platform == Device.nvidiaPlatform, let limit = registerLimit(variant) else { return [] }
    return ["-cl-nv-maxrregcount=\(limit)"]
  }

  /// A limit under which another work-group has room beside the first, where kernels would take a
  /// few registers more and lose next to nothing (Scripts/check-ptx.sh: at most 88 bytes are spilled,
  /// beside 1024 multiply-adds a round); nil elsewhere.
  ///
  /// Two groups of 256 work-items share 65,536 registers with 128 each. Slices are of products that
  /// have no second group for most processors.
  private func registerLimit(_ variant: ProductVariant) -> Int? {
    guard tile.workItems == 256, variant.ending != .slice else { return nil }
    return switch self {
    case .local(let tile):
      tile.threadRows * tile.threadColumns == 64 && tile.depth <= 16 ? 128 : nil
    case .tensor(let tile, let precision, _):
      // tf32x3 has twice the fragments and spills 250 bytes.
      tile.warpRows * tile.warpColumns == 64 * 32 && precision != .tf32x3 ? 128 : nil
    case .warpgroup: nil
    }
  }
}
