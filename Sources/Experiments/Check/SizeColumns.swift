/// The columns of a table over widths or depths: a name, then a value at each that there is room for, the
/// smallest and the largest among them.
struct SizeColumns {
  /// Characters of a value.
  static let valueWidth = 7

  /// Characters of a name.
  let nameWidth: Int
  /// Indices of the sizes that are shown, evenly chosen.
  let shown: [Int]
  private let sizes: [Int]
  private let plural: String

  /// - plural: "widths". atMost: how many there is room for.
  init(_ sizes: [Int], _ plural: String, nameWidth: Int, atMost room: Int) {
    (self.sizes, self.plural, self.nameWidth) = (sizes, plural, nameWidth)
    let most = min(sizes.count, room)
    shown = (0..<most).map { most == 1 ? 0 : $0 * (sizes.count - 1) / (most - 1) }
  }

  /// What to say of sizes that are not shown; nil where all are.
  var note: String? {
    shown.count < sizes.count
      ? "values at \(shown.count) of \(sizes.count) \(plural); exponents are of all" : nil
  }

  /// The head of a quantity's block; its symbol may reach into the first size's column.
  func header(_ symbol: String) -> String {
    let first = "\(sizes[0])"
    return ReportText.left(symbol, nameWidth + Self.valueWidth - first.count) + first
      + shown.dropFirst().map { ReportText.right("\(sizes[$0])", Self.valueWidth) }.joined()
  }

  /// A line: a name, and of its values at all sizes those that are shown.
  func row(_ name: String, _ values: [Double]) -> String {
    ReportText.left("  \(name)", nameWidth)
      + shown.map { ReportText.right(ReportText.threeDigits(values[$0]), Self.valueWidth) }.joined()
  }
}
