/// How settings name the tensors that they are for: `all`, a role (`input`, `hidden`, `readout`), a module
/// (`layers.1`) or a tensor (`layers.1.weight`). A `*` between dots stands for any one name: `blocks.*.up`.
package enum ParameterSelector {
  /// Whether a selector holds the tensor of this path and role.
  package static func selects(_ selector: String, _ path: String, role: LayerRole) -> Bool {
    if selector == "all" || selector == role.rawValue { return true }
    let (wanted, names) = (names(selector), names(path))
    return wanted.count <= names.count && isAlike(wanted, names)
  }

  /// Whether a selector is the tensor's own name, and not that of a module or role.
  package static func isName(_ selector: String, of path: String) -> Bool {
    let (wanted, names) = (names(selector), names(path))
    return wanted.count == names.count && isAlike(wanted, names)
  }

  private static func names(_ path: String) -> [Substring] {
    path.split(separator: ".", omittingEmptySubsequences: false)
  }

  /// Whether each of the first names is the one wanted.
  private static func isAlike(_ wanted: [Substring], _ names: [Substring]) -> Bool {
    zip(wanted, names).allSatisfy { $0 == "*" || $0 == $1 }
  }
}

/// A factor on something of some tensors, beside their parametrization's own: their learning rate, or their
/// initial values.
///
/// Weight decay that is taken times the learning rate changes with it, as with parameter groups.
public struct TensorMultiplier: Codable, Hashable, Sendable {
  /// Which tensors, as of a `RateRule`.
  public let selector: String
  /// The factor, ≥ 0 and finite; 0 freezes the tensors, or starts them at zero.
  public let factor: Double

  /// A factor for the tensors at `selector`. Traps unless it is finite and ≥ 0.
  public init(selector: String, factor: Double) {
    precondition(factor >= 0 && factor.isFinite, "a factor of \(factor) for \(selector)")
    (self.selector, self.factor) = (selector, factor)
  }
}
