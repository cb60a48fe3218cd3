/// Loss as a function of log2 of the learning rate, at one width, over several seeds.
struct LossCurve {
  /// By ascending rate, then by seed; +∞ where a run diverged.
  let losses: [[Double]]
  /// The curve of the means over seeds, in which a rate where some seed diverged has no finite loss.
  let whole: FittedCurve
  /// The same of draws of seeds; that of all seeds where a draw has no finite loss.
  let draws: [FittedCurve]

  /// - losses: by log2 rate, those of the seeds in one order; +∞ where a run diverged.
  /// - Returns: nil where every rate lost a run to divergence.
  init?(_ losses: [Double: [Double]], _ resampling: Resampling) {
    let sorted = losses.sorted { $0.key < $1.key }
    let (rates, losses) = (sorted.map(\.key), sorted.map(\.value))
    guard let whole = FittedCurve(rates: rates, losses: losses.map(Self.mean)) else { return nil }
    (self.losses, self.whole) = (losses, whole)
    draws = resampling.draws.map { weights in
      FittedCurve(
        rates: rates, losses: losses.map { Self.mean($0, weights, of: resampling.seeds) })
        ?? whole
    }
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
