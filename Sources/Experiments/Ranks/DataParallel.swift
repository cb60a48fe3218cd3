import Foundation
import Tensors
import Training

/// One run on several devices: each rank computes a part of every batch, and all have the same weights.
///
/// Every rank makes the same run of the same experiment. The first one evaluates it and keeps its results, and
/// alone knows whether there is a run to make: others wait until it begins, or has nothing to do.
public final class DataParallel {
  /// Who trains.
  public let ranks: any Ranks
  /// How a weight's gradient is put together.
  public let route: GradientRoute
  /// What has to be the same in every rank, by what it is called: `device`.
  public var facts: [(name: String, value: String)] = []
  private let wantsToStop: () -> Bool
  private var exchange: GradientExchange?
  private var hasBegun = false
  private var hasTrained = false

  /// - route: how a weight's gradient is put together.
  /// - wantsToStop: whether this process was asked to end; all stop after the same step.
  public init(
    _ ranks: any Ranks, route: GradientRoute = .automatic, wantsToStop: @escaping () -> Bool
  ) {
    (self.ranks, self.route, self.wantsToStop) = (ranks, route, wantsToStop)
  }

  /// Whether this rank evaluates the run and keeps its results.
  public var isFirst: Bool { ranks.rank == 0 }

  /// Whether the run is to end here: what every rank knows after the same step. Before the first step and after
  /// the last one the first rank decides for itself.
  public var isStopAgreed: Bool {
    if let exchange, ranks.count > 1, !(isFirst && hasTrained) { return exchange.isStopAgreed }
    return isFirst && wantsToStop()
  }

  /// What a step exchanges; nil before the first.
  public var plan: ExchangePlan? { exchange?.plan }

  /// Has the trainer share its batches, once all ranks are here.
  ///
  /// - Throws: `RanksError`.
  func begin(_ trainer: Trainer, compute: Compute) throws {
    if isFirst { _ = try agree(isNeeded: true) }
    let exchange = GradientExchange(
      ranks, route: route, compute: compute, wantsToStop: wantsToStop)
    trainer.share(by: exchange)
    self.exchange = exchange
  }

  /// Notes that the last step is made.
  func end() { hasTrained = true }

  /// Lets the other ranks go, where this first one has not begun.
  ///
  /// - Throws: `RanksError`.
  public func release() throws {
    if isFirst && !hasBegun { _ = try agree(isNeeded: false) }
  }

  /// Waits for the first rank: whether it trains. Every rank is then about to do the same.
  ///
  /// - Throws: `RanksError` naming the first rank that is unlike the first one, in every rank.
  public func waitForFirst() throws -> Bool { try agree(isNeeded: false) }

  private func agree(isNeeded: Bool) throws -> Bool {
    hasBegun = true
    let own = [isNeeded ? "1" : "0"] + facts.map(\.value)
    let all = try gather(own.joined(separator: "\u{1F}")).map {
      $0.split(separator: "\u{1F}", omittingEmptySubsequences: false).map { String($0) }
    }
    for (rank, values) in all.enumerated() where all[0][0] == "1" {
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
