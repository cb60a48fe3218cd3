/// The values that a kernel's parameters may take, and which of them go together.
public struct ParameterSpace: Sendable {
  /// Values to try, by parameter.
  public let values: [String: [Int]]
  /// Whether the kernel is right and can run with these values.
  public let accepts: @Sendable ([String: Int]) -> Bool
  /// What is known to be good elsewhere, tried first.
  public let known: [[String: Int]]

  /// A space of these values.
  public init(
    values: [String: [Int]], known: [[String: Int]] = [],
    accepts: @escaping @Sendable ([String: Int]) -> Bool = { _ in true }
  ) {
    (self.values, self.known, self.accepts) = (values, known, accepts)
  }

  /// What differs from `parameters` in one value, then what differs in two.
  ///
  /// A parameter without values stays as it is.
  func neighbours(of parameters: [String: Int]) -> [[[String: Int]]] {
    let names = values.keys.sorted()
    func changed(_ base: [String: Int], from first: Int) -> [([String: Int], Int)] {
      names.indices.dropFirst(first).flatMap { index in
        values[names[index]]!.filter { $0 != base[names[index]] }.map { value in
          (base.merging([names[index]: value]) { $1 }, index + 1)
        }
      }
    }
    let ones = changed(parameters, from: 0)
    let twos = ones.flatMap { changed($0.0, from: $0.1) }
    return [ones, twos].map { $0.map(\.0).filter(accepts) }
  }
}
