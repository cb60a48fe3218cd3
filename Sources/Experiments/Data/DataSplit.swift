import Tensors

/// Which rows train and which validate.
public struct DataSplit: Hashable, Sendable {
  /// Rows of the training data set, ascending.
  public let train: [Int]
  /// Rows of the validation data set, ascending. See `LoadedData.validationSource` for which set.
  public let validation: [Int]

  /// Takes row lists as they are.
  public init(train: [Int], validation: [Int]) {
    self.train = train
    self.validation = validation
  }

  /// Splits the rows 0..<count at random, the same way for the same count, fraction and seed.
  ///     validation rows = round(validationFraction · count), at least 1, at most count − 1
  /// - validationFraction: in 0..<1; 0 validates on no row. Default 0.1.
  /// - Throws: `DataError.tooFewRows` where there are not two rows to share out.
  public init(count: Int, validationFraction: Double = 0.1, seed: UInt64) throws {
    precondition(
      validationFraction >= 0 && validationFraction < 1,
      "DataSplit: validation fraction \(validationFraction), expected 0..<1")
    guard validationFraction > 0 else {
      self.init(train: Array(0..<count), validation: [])
      return
    }
    guard count >= 2 else { throw DataError.tooFewRows(found: count) }
    let wanted = Int((validationFraction * Double(count)).rounded())
    let held = min(max(wanted, 1), count - 1)
    var random = Philox(seed: seed, stream: 0)
    let rows = random.permutation(of: count).map(Int.init)
    self.init(train: rows[held...].sorted(), validation: rows[..<held].sorted())
  }
}
