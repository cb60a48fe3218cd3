import Experiments
import Foundation

/// The text that `--json` prints: sorted keys, indented, so that two outputs compare by line.
///
/// Numbers that are not finite, which JSON has none for, are the texts `nan`, `inf` and `-inf`: an
/// output is needed most where something went wrong.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  encoder.nonConformingFloatEncodingStrategy = .asText
  // What a terminal would obey, as in a tensor's name, stands escaped; it can be in texts alone.
  return String(decoding: try encoder.encode(value), as: UTF8.self).unicodeScalars.reduce(into: "")
  {
    guard $1.isObeyed && $1 != "\n" else { return $0.unicodeScalars.append($1) }
    for unit in String($1).utf16 { $0 += String(format: "\\u%04x", unit) }
  }
}
