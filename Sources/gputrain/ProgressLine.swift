import Experiments
import Foundation

/// How far something is, in a line: a bar, and as many parts as there is room for.
struct ProgressLine {
  /// Something that the line may say.
  struct Part {
    let text: String
    var tone: Tone?

    init(_ text: String, _ tone: Tone? = nil) {
      (self.text, self.tone) = (text.printable(), tone)
    }
  }

  /// Done, in [0, 1].
  let share: Double
  /// What to say, the most important first.
  let parts: [Part]

  private var percent: String { "\(Int(share * 100)) %" }

  /// For a terminal of so many columns; a part that does not fit is left out.
  func text(columns: Int, colours: Colours) -> String {
    let cells = columns < 60 ? 0 : 12
    let filled = Int((share * Double(cells)).rounded(.down))
    var room = columns - 1 - cells - (cells > 0 ? 1 : 0) - 5
    var text = cells > 0 ? colours.paint(String(repeating: "━", count: filled), .good) : ""
    text += String(repeating: "─", count: cells - filled)
    text += (cells > 0 ? " " : "") + String(repeating: " ", count: 5 - percent.count) + percent
    for part in parts where part.text.count + 2 <= room {
      room -= part.text.count + 2
      text += "  " + (part.tone.map { colours.paint(part.text, $0) } ?? part.text)
    }
    return text
  }

  /// For a file: everything, without a bar.
  var plain: String { ([percent] + parts.map(\.text)).joined(separator: "  ") }
}
