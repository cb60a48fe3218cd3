/// How settings name the tensors that they are for: `all`, a role (`input`, `hidden`, `readout`), a module
/// (`layers.1`) or a tensor (`layers.1.weight`). A `*` between dots stands for any one name: `blocks.*.up`.
package enum ParameterSelector {
  /// Whether a selector holds the tensor of this path and role.
  package static func selects(_ selector: String, _ path: String, role: LayerRole) -> Bool {
    if selector == "all" || selector == role.rawValue { return true }
    let (wanted, names) = (names(selector), names(path))
    return wanted.count <= names.count && isAlike(wanted, names)
  }

  /// Whether a selector ends in the tensor's own name, in whatever module, and so means it by itself.
  package static func isName(_ selector: String, of path: String) -> Bool {
    let (wanted, names) = (names(selector), names(path))
    return wanted.count == names.count && wanted.last != "*" && isAlike(wanted, names)
  }

  /// Whether a selector tells no tensor from another: `all`, or nothing but `*`.
  package static func isForAll(_ selector: String) -> Bool {
    selector == "all" || names(selector).allSatisfy { $0 == "*" }
  }

  private static func names(_ path: String) -> [Substring] {
    path.split(separator: ".", omittingEmptySubsequences: false)
  }

  /// Whether each of the first names is the one wanted.
  private static func isAlike(_ wanted: [Substring], _ names: [Substring]) -> Bool {
    zip(wanted, names).allSatisfy { $0 == "*" || $0 == $1 }
  }
}
