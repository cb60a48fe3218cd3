extension ProductEpilogue {
  /// The epilogue as the kernels called `multiply` take it (Kernels/epilogue.cl).
  var kernelArguments: (side: Tensor?, output: Tensor?, flags: UInt32, kind: UInt32) {
    switch self {
    case .none, .update: (nil, nil, 0, 0)
    case .forward(let bias, let activation, let output):
      (bias, output, (bias == nil ? 0 : 1) | (output == nil ? 0 : 2), activation.kernelCode)
    case .derivative(let derivative):
      (derivative.z, nil, 4, derivative.activation.kernelCode)
    case .adding(let addend): (addend, nil, 16, 0)
    }
  }
}
