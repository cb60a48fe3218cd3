import Testing

@testable import Experiments

@Suite struct ParameterSearchTests {
  static let space = ParameterSpace(
    values: ["a": [1, 2, 3], "b": [1, 2, 3], "c": [0, 1]], known: [["a": 3, "b": 3, "c": 1]],
    accepts: { $0["a"]! + $0["b"]! != 4 || $0["a"] == 3 })
  static let start = ["a": 1, "b": 1, "c": 0]

  private func all(from start: [String: Int], best: [String: Int]? = nil, seed: UInt64 = 1)
    -> [[String: Int]]
  {
    var search = ParameterSearch(Self.space, start: start, seed: seed)
    var found: [[String: Int]] = []
    while let next = search.next(best: best ?? start) { found.append(next) }
    return found
  }

  @Test func candidates_comeOnceAndAreAccepted_knownFirst() {
    let found = all(from: Self.start)
    #expect(Set(found).count == found.count)
    #expect(!found.contains(Self.start) && found.allSatisfy(Self.space.accepts))
    #expect(found.first == Self.space.known[0])
    // One change before two, of which there are as many as counted here by hand.
    let changes = found.dropFirst().map { candidate in
      candidate.filter { Self.start[$0.key] != $0.value }.count
    }
    #expect(changes == changes.sorted() && changes.filter { $0 == 1 }.count == 4)
    #expect(changes.max() == 2)
  }

  @Test func order_dependsOnSeedAlone() {
    #expect(all(from: Self.start) == all(from: Self.start))
    #expect(all(from: Self.start, seed: 1) != all(from: Self.start, seed: 2))
  }

  @Test func search_goesOnAroundTheBest() {
    let best = ["a": 3, "b": 3, "c": 1]
    var search = ParameterSearch(Self.space, start: Self.start, seed: 1)
    #expect(search.next(best: Self.start) == best)
    let next = search.next(best: best)
    #expect(next?.filter { best[$0.key] != $0.value }.count == 1)
  }

  @Test func parameterWithoutValues_staysAsItIs() {
    let space = ParameterSpace(values: ["a": []], known: [["a": 5]])
    var search = ParameterSearch(space, start: ["a": 1], seed: 1)
    #expect(search.next(best: ["a": 1]) == ["a": 5])
    #expect(search.next(best: ["a": 5]) == nil)
  }

  @Test func ratio_needsPairsThatAgree() {
    var ratio = SpeedRatio()
    for _ in 0..<2 { ratio.add(before: [2, 8], after: [1, 4]) }
    #expect(!ratio.isFaster)
    ratio.add(before: [2, 8], after: [1, 4])
    #expect(ratio.isFaster && abs(ratio.ratio - 2) <= 1e-12)
    #expect(
      abs(ratio.milliseconds.before - 4) <= 1e-12 && abs(ratio.milliseconds.after - 2) <= 1e-12)
    var noisy = SpeedRatio()
    for (before, after) in [(2.0, 1.0), (1.0, 1.2), (3.0, 1.0)] {
      noisy.add(before: [before], after: [after])
    }
    #expect(noisy.ratio > 1.3 && !noisy.isFaster)
    var broken = SpeedRatio()
    for _ in 0..<3 { broken.add(before: [.nan], after: [1]) }
    #expect(!broken.isFaster)
  }
}
