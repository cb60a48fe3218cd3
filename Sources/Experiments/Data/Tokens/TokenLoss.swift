import Foundation

/// A text's loss in the units that language models are compared in.
///
///     perplexity = exp(loss),   bits per byte = loss/ln 2 · tokens/bytes
///
/// For example, `TokenLoss(nats: 1.5, bytesPerToken: 1)` is a perplexity of 4.48 and 2.16 bits per byte.
public struct TokenLoss: Hashable, Sendable {
  /// Mean loss of a token.
  public let nats: Double
  /// Mean bytes of UTF-8 that a token stands for, > 0; nil where the tokenizer is not known.
  public let bytesPerToken: Double?

  /// The loss of a token in nats.
  public init(nats: Double, bytesPerToken: Double?) {
    (self.nats, self.bytesPerToken) = (nats, bytesPerToken)
  }

  /// As many tokens, all alike in likelihood, would give this loss: to a network that knows nothing, the
  /// vocabulary's.
  public var perplexity: Double { exp(nats) }

  /// What compares texts whose tokens are of unlike sizes; nil where a token's bytes are not known.
  public var bitsPerByte: Double? { bytesPerToken.map { nats / (log(2) * $0) } }

  /// "perplexity 4.48, 2.164 bits per byte".
  public var inWords: String {
    "perplexity \(ReportText.perplexity(perplexity))"
      + (bitsPerByte.map { ", \(ReportText.bitsPerByte($0)) bits per byte" } ?? "")
  }
}

extension ReportText {
  /// With two decimals, by powers of ten where it is very large.
  static func perplexity(_ value: Double?) -> String {
    value.map { $0 < 1e5 ? number($0, digits: 2) : loss($0) } ?? "–"
  }

  /// With three decimals.
  static func bitsPerByte(_ value: Double?) -> String {
    value.map { number($0, digits: 3) } ?? "–"
  }
}

extension DataDescription {
  /// A loss in a text's units; nil of other data, and of no loss.
  public func tokenLoss(_ nats: Double?) -> TokenLoss? {
    nats.flatMap { isText ? TokenLoss(nats: $0, bytesPerToken: bytesPerToken) : nil }
  }
}
