import Foundation

/// What grows from one of the compared networks to the next.
public enum NetworkScale: String, Codable, Hashable, Sendable {
  /// Units of each hidden layer.
  case width
  /// Blocks of a residual network.
  case depth

  /// "widths".
  var plural: String { rawValue + "s" }

  /// What exponents are of: n, or L.
  var symbol: String { self == .width ? "n" : "L" }

  /// Sizes at which all that stays fixed is of no account: what a rule tends to shows between them.
  ///
  /// Networks that are wide are computed, not made, and so may be of any width. Deep ones have as many
  /// operations as blocks: over those two a rule's exponent is within 0.01 of its limit.
  var limits: [Int] { self == .width ? [1 << 34, 1 << 36] : [1 << 10, 1 << 12] }
}

/// A layer of each of the compared networks: the same in all or, where their numbers of blocks differ, that
/// of the first, the middle and the last block of each.
struct ComparedLayer {
  /// `blocks.1.up`, or `blocks.last.up`.
  let name: String
  /// Among each network's operations with weights.
  let indices: [Int]

  /// - names: of each network's layers, in order.
  static func all(of names: [[String]]) -> [ComparedLayer] {
    let templates = names.map { $0.map(template) }
    let compared = templates[0].uniqued().flatMap { kind -> [ComparedLayer] in
      let places = templates.map { own in own.indices.filter { own[$0] == kind } }
      let counts = places.map(\.count)
      guard let fewest = counts.min(), counts.max() != fewest else {
        return places[0].indices.map { number in
          ComparedLayer(
            name: names[0][places[0][number]], indices: places.map { $0[number] })
        }
      }
      return [
        ("first", 1, { _ in 0 }), ("middle", 3, { $0 / 2 }), ("last", 2, { $0 - 1 }),
      ].filter { fewest >= $0.1 }.map { (place: String, _, index: (Int) -> Int) in
        ComparedLayer(
          name: kind.replacing("#", with: place), indices: places.map { $0[index($0.count)] })
      }
    }
    return compared.sorted { $0.indices[names.count - 1] < $1.indices[names.count - 1] }
  }

  /// The name with # for its numbers: `blocks.#.up`.
  private static func template(_ name: String) -> String {
    name.split(separator: ".").map { Int($0) == nil ? String($0) : "#" }.joined(separator: ".")
  }
}
