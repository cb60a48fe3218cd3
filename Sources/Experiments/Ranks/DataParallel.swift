import Foundation
import Tensors
import Training

/// One run on several devices: each rank computes a part of every batch, and all have the same weights.
///
/// Every rank makes the same run of the same experiment; the first one's results are kept.
public final class DataParallel {
  /// Who trains.
  public let ranks: any Ranks
  private let route: GradientRoute
  private let wantsToStop: () -> Bool
  private var exchange: GradientExchange?

  /// - route: how a weight's gradient is put together.
  /// - wantsToStop: whether this process was asked to end; all stop after the same step.
  public init(
    _ ranks: any Ranks, route: GradientRoute = .automatic, wantsToStop: @escaping () -> Bool
  ) {
    (self.ranks, self.route, self.wantsToStop) = (ranks, route, wantsToStop)
  }

  /// Whether the run is to end here: what every rank knows after the same step.
  public var isStopAgreed: Bool {
    ranks.count == 1 ? wantsToStop() : exchange?.isStopAgreed == true
  }

  /// What the last step exchanged; nil before the first.
  public var plan: ExchangePlan? { exchange?.plan }

  /// Has the trainer share its batches.
  func share(_ trainer: Trainer, compute: Compute) {
    let exchange = GradientExchange(
      ranks, route: route, compute: compute, wantsToStop: wantsToStop)
    trainer.share(by: exchange)
    self.exchange = exchange
  }

  /// Whether every rank is about to do the same; called by all, before the first step.
  ///
  /// - facts: what has to be the same, by what it is called: `device`.
  /// - isNeeded: whether the first rank trains at all; what it says holds for all.
  /// - Returns: whether the first rank trains.
  /// - Throws: `RanksError` naming the first rank that is unlike the first one, in every rank.
  public func agree(on facts: [(name: String, value: String)], isNeeded: Bool) throws -> Bool {
    let own = [isNeeded ? "1" : "0"] + facts.map(\.value)
    let all = try gather(own.joined(separator: "\u{1F}")).map {
      $0.split(separator: "\u{1F}", omittingEmptySubsequences: false).map { String($0) }
    }
    for (rank, values) in all.enumerated() {
      for (place, fact) in facts.enumerated() where values[place + 1] != all[0][place + 1] {
        throw RanksError(
          rank: rank, fact: fact.name, own: values[place + 1], first: all[0][place + 1])
      }
    }
    return all[0][0] == "1"
  }

  /// Every rank's text.
  private func gather(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    var length = [UInt32(bytes.count)]
    var lengths = [UInt32](repeating: 0, count: ranks.count)
    try lengths.withUnsafeMutableBytes {
      try ranks.gather(
        &length, into: $0.baseAddress!, counts: [Int](repeating: 1, count: ranks.count))
    }
    let words = lengths.map { (Int($0) + 3) / 4 }
    let own = bytes + [UInt8](repeating: 0, count: 4 * words[ranks.rank] - bytes.count)
    var all = [UInt8](repeating: 0, count: max(1, 4 * words.reduce(0, +)))
    try all.withUnsafeMutableBytes { try ranks.gather(own, into: $0.baseAddress!, counts: words) }
    var place = 0
    return zip(lengths, words).map { length, words in
      defer { place += 4 * words }
      return String(decoding: all[place..<place + Int(length)], as: UTF8.self)
    }
  }
}

/// A rank that would not do what the first one does.
public struct RanksError: Error, CustomStringConvertible {
  /// Which one, from 0.
  public let rank: Int
  let fact, own, first: String

  /// One line.
  public var description: String {
    "rank \(rank) has another \(fact) than rank 0: \(own), not \(first)"
  }
}
