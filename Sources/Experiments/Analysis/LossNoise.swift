import Foundation

/// How much of a sweep's losses is chance, and what of its curves can be told in spite of it.
struct LossNoise: Hashable {
  /// Standard deviation of ln of a mean over the seeds, at least `least`.
  let deviation: Double

  /// Where it cannot be told, as of one seed: that of a run of the default sweep.
  static let unknown = LossNoise(deviation: 0.014)

  /// No curve is fitted more closely: it is not a skewed parabola either.
  private static let least = 0.004
  /// Losses further above the least say nothing of chance near it.
  private static let height = 0.3

  init(deviation: Double) { self.deviation = max(deviation, Self.least) }

  /// Of losses by rate and seed, a curve a width.
  ///
  ///     σ² = Σ (ln L_rs − m_r − m_s + m)²/((rates − 1)·(seeds − 1))/seeds
  ///
  /// over all widths, with m the means over seeds and rates of a width: what seeds share at all
  /// rates moves no minimum. Of the rates within 0.3 of the least m_r at which no seed diverged.
  init(_ curves: [[[Double]]]) {
    var (square, freedom, seeds) = (0.0, 0, 0)
    for losses in curves {
      let known = losses.filter { $0.allSatisfy { $0.isFinite && $0 > 0 } }.map {
        $0.map { log($0) }
      }
      guard let count = known.first?.count, count > 1, known.allSatisfy({ $0.count == count })
      else { continue }
      func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
      let limit = (known.map(mean).min() ?? 0) + Self.height
      let near = known.filter { mean($0) <= limit }
      let bySeed = (0..<count).map { seed in mean(near.map { $0[seed] }) }
      let all = mean(bySeed)
      for values in near {
        let ofRate = mean(values)
        for (value, ofSeed) in zip(values, bySeed) {
          square += (value - ofRate - ofSeed + all) * (value - ofRate - ofSeed + all)
        }
      }
      freedom += (near.count - 1) * (count - 1)
      seeds = count
    }
    guard freedom > 0 else {
      self = .unknown
      return
    }
    self.init(deviation: (square / Double(freedom) / Double(seeds)).squareRoot())
  }

  /// Height above the least, in ln loss, up to which losses say much of where a curve is lowest.
  ///
  /// Chosen by simulation, like all figures here, over plain, flat, steep, V-shaped, lopsided and
  /// cut-off minima, of which some turn more lopsided with width, with noise of 0.3–15 % and 3–6
  /// seeds. Against a parabola through all losses within a factor 1.25, at a noise of 1.5 %, the
  /// error of the optimum falls from 0.29 to 0.15 octaves and that of the drift by 40 %, and
  /// intervals do not grow. A closer reach adds to the noise, a wider one to the bias.
  var reach: Double { min(15 * deviation, 0.3) }

  func weight(ofHeight height: Double) -> Double {
    let ratio = height / reach
    return 1 / ((1 + ratio * ratio) * (1 + ratio * ratio))
  }

  /// The skews that are tried, the smaller before the larger.
  static let skews: [Double] = [
    0, 0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1, -1, 1.3, -1.3, 1.6, -1.6, 2, -2, 2.5, -2.5, 3, -3,
  ]
  /// What a skew has to lower the squares by, in units of their variance: chance alone does for one
  /// of all widths in 5 of 100 cases, for one of a width's own in 8.
  private static let common = 4.0
  private static let own = 3.0

  /// The skew of each width, as its place in `skews`.
  ///
  ///     minimise Σ_w (R_w(k_w) + 3σ²·[k_w ≠ k]) + 4σ²·[k ≠ 0]  over k and all k_w
  ///
  /// with R_w the weighted sum of squares that the fit of width w leaves: a shape that widths share
  /// is known from all of them, one that changes with width follows the losses, and where they say
  /// no more than chance would, it is a parabola, which is surest.
  ///
  /// - remainders: by width and skew, those of the first alone of a width that is a parabola; nil
  ///   where there is no fit, empty of a width that tells no skew, which gets k.
  func skews(_ remainders: [[Double?]]) -> [Int] {
    let variance = deviation * deviation
    // Of each width the skew that fits best: no other is taken in place of the shared one.
    let closest = remainders.map { remainders -> (place: Int, remainder: Double) in
      var (place, least) = (0, Double.infinity)
      for index in remainders.indices {
        if let remainder = remainders[index], remainder < least {
          (place, least) = (index, remainder)
        }
      }
      return (place, least)
    }
    var least = Double.infinity
    var chosen = remainders.map { _ in 0 }
    for place in Self.skews.indices {
      var total = Self.skews[place] == 0 ? 0 : Self.common * variance
      var places = Array(repeating: place, count: remainders.count)
      for width in remainders.indices {
        let known = remainders[width].indices.contains(place) ? remainders[width][place] : nil
        let (shared, own) = (known ?? .infinity, closest[width].remainder + Self.own * variance)
        if own < shared { places[width] = closest[width].place }
        let cost = min(shared, own)
        total += cost.isFinite ? cost : 0
      }
      if total < least { (least, chosen) = (total, places) }
    }
    return chosen
  }
}
