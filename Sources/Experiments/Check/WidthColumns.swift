/// The columns of a table over widths: a name, then a value at each width that there is room for, the
/// narrowest and the widest among them.
struct WidthColumns {
  /// Characters of a value.
  static let valueWidth = 7

  /// Characters of a name.
  let nameWidth: Int
  /// Indices of the widths that are shown, evenly chosen.
  let shown: [Int]
  private let widths: [Int]

  /// - atMost: how many widths there is room for.
  init(_ widths: [Int], nameWidth: Int, atMost room: Int) {
    (self.widths, self.nameWidth) = (widths, nameWidth)
    let most = min(widths.count, room)
    shown = (0..<most).map { most == 1 ? 0 : $0 * (widths.count - 1) / (most - 1) }
  }

  /// What to say of widths that are not shown; nil where all are.
  var note: String? {
    shown.count < widths.count
      ? "values at \(shown.count) of \(widths.count) widths; exponents are of all" : nil
  }

  /// The head of a quantity's block; its symbol may reach into the first width's column.
  func header(_ symbol: String) -> String {
    let first = "\(widths[0])"
    return ReportText.left(symbol, nameWidth + Self.valueWidth - first.count) + first
      + shown.dropFirst().map { ReportText.right("\(widths[$0])", Self.valueWidth) }.joined()
  }

  /// A line: a name, and of its values at all widths those that are shown.
  func row(_ name: String, _ values: [Double]) -> String {
    ReportText.left("  \(name)", nameWidth)
      + shown.map { ReportText.right(ReportText.threeDigits(values[$0]), Self.valueWidth) }.joined()
  }
}
