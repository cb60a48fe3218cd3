/// Numbers of a CSV file: `1.5`, and `1,5` where fields are not separated by commas; else a comma may be
/// that of thousands. A file with both has commas or points at thousands, and is refused.
struct CSVNumbers {
  private let mayHaveCommas: Bool
  /// Where a number first had a decimal point.
  private(set) var point: Int?
  /// Where one first had a decimal comma.
  private(set) var comma: Int?

  /// - separator: of fields.
  init(separator: UInt8) { mayHaveCommas = separator != 0x2C }

  /// A text as a number; nil where it is none. NaN and infinities are numbers here.
  func value(of text: String) -> Double? { Double(text) ?? decimalComma(text) }

  /// The same of a text at a place of the file, of which it is noted how it is written.
  mutating func value<Value: LosslessStringConvertible>(
    of text: String, at place: Int, as type: Value.Type = Double.self
  ) -> Value? {
    if let value = Value(text) {
      if point == nil, text.utf8.contains(0x2E) { point = place }
      return value
    }
    guard let value: Value = decimalComma(text) else { return nil }
    comma = comma ?? place
    return value
  }

  private func decimalComma<Value: LosslessStringConvertible>(_ text: String) -> Value? {
    guard mayHaveCommas, text.utf8.contains(0x2C), !text.utf8.contains(0x2E) else { return nil }
    return Value(text.replacing(",", with: ".", maxReplacements: 1))
  }

  /// Refuses a file of whose noted numbers some have a decimal point and others a decimal comma.
  ///
  /// - line: of a place.
  /// - Throws: `DataError.malformed`.
  func check(path: String, line: (_ place: Int) -> Int) throws {
    if let point, let comma {
      throw DataError.malformed(
        path: path, expected: "decimal points or decimal commas",
        found: "a point in line \(line(point)) and a comma in line \(line(comma))")
    }
  }

  /// Whether a text is a number for anyone, with commas at decimals or thousands.
  static func isNumeric(_ text: String) -> Bool {
    Double(text) != nil
      || text.utf8.contains(0x2C) && Double(text.filter { $0 != "," }) != nil
  }
}
