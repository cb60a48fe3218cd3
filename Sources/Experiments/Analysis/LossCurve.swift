/// Loss as a function of log2 of the learning rate, at one width, over several seeds.
struct LossCurve {
  /// By ascending rate, then by seed; +∞ where a run diverged.
  let losses: [[Double]]
  /// The curve of the means over seeds, in which a rate where some seed diverged has no finite loss.
  let whole: FittedCurve
  /// The same of draws of seeds; that of all seeds where a draw has no finite loss.
  let draws: [FittedCurve]

  /// The curves of all widths, fitted together in all seeds and in each draw of them.
  ///
  /// - losses: by width and log2 rate, those of the seeds in one order; +∞ where a run diverged.
  /// - Returns: by width; none where every rate lost a run to divergence.
  static func jointly(
    _ losses: [Int: [Double: [Double]]], _ resampling: Resampling
  ) -> [Int: LossCurve] {
    let sorted = losses.mapValues { $0.sorted { $0.key < $1.key } }.sorted { $0.key < $1.key }
    let noise = LossNoise(sorted.map { $0.value.map(\.value) })
    func means(_ mean: ([Double]) -> Double) -> [(rates: [Double], losses: [Double])] {
      sorted.map { ($0.value.map(\.key), $0.value.map { mean($0.value) }) }
    }
    let whole = FittedCurve.jointly(means(mean), noise)
    let draws = resampling.draws.map { weights in
      FittedCurve.jointly(
        means { mean($0, weights, of: resampling.seeds) }, noise, drawnFrom: whole)
    }
    var curves: [Int: LossCurve] = [:]
    for (place, (width, byRate)) in sorted.enumerated() {
      guard let whole = whole[place] else { continue }
      curves[width] = LossCurve(
        losses: byRate.map(\.value), whole: whole, draws: draws.map { $0[place] ?? whole })
    }
    return curves
  }

  /// In the order of size, so that it does not depend on the order of the seeds.
  static func mean(_ losses: [Double]) -> Double {
    losses.sorted().reduce(0, +) / Double(losses.count)
  }

  /// Of the seeds that are in a draw.
  private static func mean(_ losses: [Double], _ weights: [Double], of seeds: Int) -> Double {
    zip(losses, weights).reduce(0) { $1.1 > 0 ? $0 + $1.0 * $1.1 : $0 } / Double(seeds)
  }

  /// log2 of the best rate.
  var rate: Uncertain { uncertain(\.rate, resolution: whole.resolution) }

  /// What a quantity of the curve is, in all seeds and in draws of them.
  func uncertain(
    _ quantity: (FittedCurve) -> Double, resolution: Double = 0
  ) -> Uncertain {
    Uncertain(
      value: quantity(whole), draws: draws.map(quantity), seeds: losses[0].count,
      resolution: resolution)
  }

  /// Whether some seed diverges at the rate, or at one of the two tried beside it; nil outside of the
  /// grid.
  func diverges(at rate: Double) -> Bool? {
    let beside = whole.places(from: rate, to: rate)
    return beside.isEmpty ? nil : beside.contains { whole.losses[$0] == .infinity }
  }

  /// Whether more than half of the seeds diverge at every rate that an optimum may be.
  func mostDiverge(within rate: Uncertain) -> Bool {
    let reach = rate.reach() ?? 0
    let beside = whole.places(from: rate.value - reach, to: rate.value + reach)
    return !beside.isEmpty
      && beside.allSatisfy { place in
        2 * losses[place].count { $0 == .infinity } > losses[place].count
      }
  }
}
