/// The losses of consecutive steps.
public struct StepLosses: Sendable {
  /// Rows of each step.
  public private(set) var batchSizes: [Int] = []
  /// [step][replica]: the loss before the step's update, summed over its rows.
  private(set) var sums: [[Float]] = []
  /// [step][replica]: the norm of all gradients together before they are clipped; empty where they are
  /// not.
  private(set) var gradientNorms: [[Float]] = []

  /// [step][replica]: the batch's mean loss before the step's update.
  public var losses: [[Double]] {
    zip(sums, batchSizes).map { sums, size in sums.map { Double($0) / Double(size) } }
  }

  /// The mean over the steps' rows of each row's loss before its update.
  public func mean(replica: Int) -> Double {
    let sum = zip(batchSizes, losses).reduce(0) { $0 + Double($1.0) * $1.1[replica] }
    return sum / Double(batchSizes.reduce(0, +))
  }

  /// The same over a range of the steps.
  public func mean(replica: Int, over steps: Range<Int>) -> Double {
    let sum = steps.reduce(0.0) {
      let size = Double(batchSizes[$1])
      return $0 + Double(sums[$1][replica]) / size * size
    }
    return sum / Double(batchSizes[steps].reduce(0, +))
  }

  /// The norms of all gradients together at some of the steps, before they were clipped; nil of a replica
  /// whose gradients are not clipped, or are none.
  public func gradientNorms(replica: Int, over steps: Range<Int>) -> [Double]? {
    if gradientNorms.isEmpty { return nil }
    let norms = steps.map { Double(gradientNorms[$0][replica]) }
    return norms.contains { $0.isNaN } ? nil : norms
  }

  /// The first step whose loss is not a finite number; nil where all are.
  public func firstNotFinite(replica: Int) -> Int? { sums.firstIndex { !$0[replica].isFinite } }

  /// Adds a step.
  mutating func append(_ sums: [Float], rows: Int, gradientNorms: [Float]?) {
    self.sums.append(sums)
    batchSizes.append(rows)
    if let gradientNorms { self.gradientNorms.append(gradientNorms) }
  }

  /// Those of the last `count` steps.
  func suffix(_ count: Int) -> StepLosses {
    var result = self
    result.sums = sums.suffix(count)
    result.batchSizes = batchSizes.suffix(count)
    result.gradientNorms = gradientNorms.suffix(count)
    return result
  }
}
