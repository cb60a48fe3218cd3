import OpenCL

extension ProductEpilogue {
  /// The epilogue as the kernels called `multiply` take it (Kernels/epilogue.cl).
  var kernelArguments: (side: Tensor?, output: Tensor?, flags: UInt32, kind: UInt32) {
    switch self {
    case .none, .update: (nil, nil, 0, 0)
    case .forward(let bias, let activation, let output):
      (bias, output, (bias == nil ? 0 : 1) | (output == nil ? 0 : 2), activation.kernelCode)
    case .derivative(let derivative):
      (derivative.z, nil, 4, derivative.activation.kernelCode)
    }
  }
}

extension UpdateDirection {
  /// The rule and its numbers as those called `multiply_update` take them.
  var kernelArguments: (rule: UInt32, numbers: UpdateNumbers) {
    switch self {
    case .gradient: (1, (0, 0, 0, 0))
    case .momentum(let momentum, let nesterov, _): (nesterov ? 3 : 2, (momentum, 0, 0, 0))
    case .adam(_, _, let beta1, let beta2, let correction1, let correction2):
      (4, (beta1, beta2, correction1, correction2))
    }
  }
}

/// A rule's numbers, of which the last two may differ from step to step.
typealias UpdateNumbers = (x: Float, y: Float, z: Varying<Float>, w: Varying<Float>)
