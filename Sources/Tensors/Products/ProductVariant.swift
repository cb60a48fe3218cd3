import OpenCL

/// What the kernel of a product on GPUs is compiled for, beside the tile: its code has one
/// transpose mode, one epilogue and one way to reach its operands, so that it is short.
package struct ProductVariant: Hashable, Sendable {
  /// What becomes of a tile's sums.
  package enum Ending: Hashable, Sendable {
    /// They are stored as they are: those of a slice of k (Kernels/slices.cl adds them).
    case slice
    /// C = α·P and what `flags` of Kernels/epilogue.cl say, with φ.
    case epilogue(flags: UInt32, Activation)
    /// W is updated by a rule.
    case update(ElementwiseRule)
  }

  /// The transpose mode.
  package let mode: TransposeMode
  /// Whether rows of all matrices begin at multiples of 16 bytes.
  package let isAligned: Bool
  /// What becomes of the sums.
  package let ending: Ending

  /// The variant of these parts.
  package init(_ mode: TransposeMode, isAligned: Bool, ending: Ending) {
    (self.mode, self.isAligned, self.ending) = (mode, isAligned, ending)
  }

  /// The variant that `product` takes, or its slices take.
  ///
  /// - isHalved: whether what lies below the diagonal is left out.
  init(_ product: MatrixProduct, isSliced: Bool, isHalved: Bool = false) {
    let ending: Ending =
      if isSliced {
        .slice
      } else if case .update(let update, _) = product.epilogue {
        .update(update.rule)
      } else {
        isHalved ? product.epilogue.ending.halved : product.epilogue.ending
      }
    self.init(product.mode, isAligned: product.isAligned, ending: ending)
  }

  /// Those that show whether a tile's kernels are right: every transpose mode with and without
  /// aligned rows, in one piece and in slices, half of a sum, and Adam's update.
  package static let trialled: [ProductVariant] = TransposeMode.allCases.flatMap { mode in
    [
      ProductVariant(mode, isAligned: true, ending: .plain),
      ProductVariant(mode, isAligned: false, ending: .plain),
      ProductVariant(mode, isAligned: true, ending: .slice),
    ] + further(mode).map { ProductVariant(mode, isAligned: true, ending: $0) }
  }

  private static func further(_ mode: TransposeMode) -> [Ending] {
    switch mode {
    case .nn: []
    case .nt: [.epilogue(flags: 16, .identity).halved]
    case .tn: [.update(.adam)]
    }
  }

  /// The kernel's name.
  var kernel: String {
    switch ending {
    case .slice: "multiply_slice"
    case .epilogue: "multiply"
    case .update: "multiply_update"
    }
  }

  /// What Kernels/span.cl and multiply_group.cl are compiled with.
  var parameters: [String: Int] {
    var numbers = ending.parameters
    numbers["FORM"] = mode == .nn ? 0 : mode == .nt ? 1 : 2
    numbers["ALIGNED"] = isAligned ? 1 : 0
    return numbers
  }

  /// The rule by which weights are updated, if any.
  var rule: ElementwiseRule? {
    if case .update(let rule) = ending { rule } else { nil }
  }
}

extension ProductVariant.Ending {
  /// C = α·P.
  package static let plain = Self.epilogue(flags: 0, .identity)

  private static let symmetric: UInt32 = 32

  /// The same with what lies below the diagonal left out.
  var halved: Self {
    guard case .epilogue(let flags, let activation) = self else { return self }
    return .epilogue(flags: flags | Self.symmetric, activation)
  }

  /// Whether what lies below the diagonal is left out.
  var isHalved: Bool {
    if case .epilogue(let flags, _) = self { flags & Self.symmetric != 0 } else { false }
  }

  /// What Kernels/span.cl is compiled with.
  var parameters: [String: Int] {
    var numbers = ["EPILOGUE": 0, "KIND": 0]
    switch self {
    case .slice: numbers["SLICED"] = 1
    case .epilogue(let flags, let activation):
      (numbers["EPILOGUE"], numbers["KIND"]) = (Int(flags), Int(activation.kernelCode))
    case .update: numbers["EPILOGUE"] = 8
    }
    return numbers
  }
}

extension ProductEpilogue {
  /// What becomes of the sums under every epilogue but an update.
  var ending: ProductVariant.Ending {
    let flags = kernelArguments.flags
    return switch self {
    case .none, .update: .plain
    // Without an output φ does not enter.
    case .forward(_, let activation, let output):
      .epilogue(flags: flags, output == nil ? .identity : activation)
    case .derivative(let derivative): .epilogue(flags: flags, derivative.activation)
    case .adding: .epilogue(flags: flags, .identity)
    }
  }
}

extension MatrixProduct {
  /// Whether rows of all matrices begin at multiples of four floats.
  var isAligned: Bool { [a, b, c].allSatisfy { $0.columns.isMultiple(of: 4) } }
}
