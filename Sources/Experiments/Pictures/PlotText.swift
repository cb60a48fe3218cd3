/// A line of text in a picture, in which `2^−7` is a power, with an estimate of its width.
struct PlotText: Hashable, Sendable {
  /// A part on the line, or raised above it.
  struct Part: Hashable, Sendable {
    let text: String
    let isRaised: Bool
  }

  let parts: [Part]

  /// Size of what is raised, and how far, both as shares of the font's size.
  static let (raisedSize, rise) = (0.72, 0.38)

  init(_ text: String) {
    // Most have no power, and to look for one takes long where there are thousands.
    guard text.utf8.contains(0x5E) else {
      parts = text.isEmpty ? [] : [Part(text: text, isRaised: false)]
      return
    }
    var parts: [Part] = []
    var rest = text[...]
    while let match = rest.firstMatch(of: /(2|10|n)\^(−?[0-9]+(?:\.[0-9]+)?)/) {
      let base = rest[..<match.range.lowerBound] + String(match.1)
      parts.append(Part(text: String(base), isRaised: false))
      parts.append(Part(text: String(match.2), isRaised: true))
      rest = rest[match.range.upperBound...]
    }
    if !rest.isEmpty { parts.append(Part(text: String(rest), isRaised: false)) }
    self.parts = parts
  }

  /// At most about this wide, in the unit of `size`, the font's.
  func width(size: Double) -> Double {
    parts.reduce(0) { $0 + Self.width($1.text) * ($1.isRaised ? Self.raisedSize : 1) } * size
  }

  /// The font's size, or as much less as makes the text at most `room` wide.
  func size(_ font: Double, within room: Double) -> Double {
    let width = width(size: font)
    return width > room ? font * room / width : font
  }

  /// What a `text` element holds, powers raised.
  func nodes(size: Double) -> [HTMLNode] {
    var lift = 0.0
    return parts.enumerated().map { index, part in
      let wanted = part.isRaised ? Self.rise * size : 0
      defer { lift = wanted }
      if wanted == lift { return .text(part.text) }
      // A space at the beginning of an element may be left out.
      let text =
        index > 0 && part.text.hasPrefix(" ") ? "\u{A0}" + part.text.dropFirst() : part.text
      let attributes = [("dy", SVGNumber.text(lift - wanted))]
      let raised = [("font-size", SVGNumber.text(Self.raisedSize * size))]
      return .element("tspan", attributes + (part.isRaised ? raised : []), [.text(text)])
    }
  }

  private static func width(_ text: String) -> Double {
    text.unicodeScalars.reduce(0) { sum, character in
      let place = Int(character.value) - 32
      return sum + Double(ascii.indices.contains(place) ? ascii[place] : others[character] ?? 80)
    } / 100
  }

  /// Widths of the characters from space to ~ in hundredths of the font's size: those of DejaVu Sans,
  /// than which the usual sans-serif fonts are narrower.
  private static let ascii: [UInt8] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79,
    61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64,
    64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
  ]

  private static let others: [Unicode.Scalar: UInt8] = [
    "−": 84, "·": 32, "…": 100, "‖": 50, "Δ": 69, "√": 64, "×": 84, "₂": 41, "–": 50, "±": 84,
  ]
}

/// Numbers of a drawing: to a hundredth, which is less than any printer shows.
enum SVGNumber {
  static func text(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let size = abs(hundredths)
    let (whole, rest) = (size / 100, size % 100)
    let decimals =
      rest == 0 ? "" : rest % 10 == 0 ? ".\(rest / 10)" : rest < 10 ? ".0\(rest)" : ".\(rest)"
    return (hundredths < 0 ? "-" : "") + "\(whole)" + decimals
  }
}
