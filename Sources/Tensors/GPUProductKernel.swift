/// Which kernels of products on GPUs are compiled, but for form and tile.
package enum GPUProductKernel: Hashable, Sendable {
  /// Kernels/multiply_local.cl.
  case local(LocalTile)
  /// Kernels/multiply_tensor.cl.
  case tensor(TensorTile, ProductPrecision, emulation: Emulation? = nil)

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
    }
  }

  var precision: ProductPrecision {
    switch self {
    case .local: .fp32
    case .tensor(_, let precision, _): precision
    }
  }

  var source: KernelSource {
    switch self {
    case .local: .multiplyLocal
    case .tensor: .multiplyTensor
    }
  }

  /// What `source` is compiled with for products of `form`.
  func definitions(_ form: ProductForm) -> [String: String] {
    var numbers = tile.parameters
    numbers["FORM"] = form == .nn ? 0 : form == .nt ? 1 : 2
    if case .tensor(_, let precision, let emulation) = self {
      numbers["PRECISION"] = precision.kernelCode
      numbers["EMULATED"] = emulation?.rawValue
    }
    return numbers.mapValues(String.init)
  }
}
