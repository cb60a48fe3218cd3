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
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
