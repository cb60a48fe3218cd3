import Testing

@Suite(.runsPrograms) struct ExampleTests {
  /// What a run of the example printed.
  func output(of program: String) throws -> String {
    let result = try CommandRunner.run([], program: program)
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  @Test func trainMLP_learnsAtBothWidths() throws {
    let output = try output(of: "TrainMLP")
    for width in [64, 256] {
      let losses = output.matches(of: /width (\d+), epoch \d: loss (\S+)/)
        .filter { Int($0.1) == width }.compactMap { Double($0.2) }
      try #require(losses.count == 5)
      #expect(try #require(losses.last) < losses[0] / 2)
    }
    let held = output.matches(of: /validation loss (\S+)/).compactMap { Double($0.1) }
    #expect(held.count == 2 && held.allSatisfy { $0 < 1.8 })
  }

  /// Theory has the optimum fall by half an octave a doubling under `half`, and stay under `full`.
  @Test func customParametrization_transfersWhereRatesFallAsFanIn() throws {
    let drifts = try output(of: "CustomParametrization")
      .matches(of: /(half|full): drift (\S+),/).map { (String($0.1), Double($0.2)) }
    try #require(drifts.map(\.0) == ["half", "full"])
    let (half, full) = (try #require(drifts[0].1), try #require(drifts[1].1))
    #expect(abs(full) < 0.25 && half < full - 0.15, "half \(half), full \(full)")
  }

  @Test func customUpdateRule_hasOneBestRateUnderSpectral() throws {
    let drifts = try output(of: "CustomUpdateRule")
      .matches(of: /(sp|spectral): the best rate moves (\S+) octaves/)
      .map { (String($0.1), Double($0.2)) }
    try #require(drifts.map(\.0) == ["sp", "spectral"])
    let (standard, spectral) = (try #require(drifts[0].1), try #require(drifts[1].1))
    #expect(standard <= -0.5 && abs(spectral) < 0.5, "sp \(standard), spectral \(spectral)")
  }

  @Test func customOperation_hasItsGradients_andMovesAsTheConditionNeeds() throws {
    let output = try output(of: "CustomOperation")
    let deviation = try #require(output.firstMatch(of: /off by at most (\S+) of/)).1
    #expect(try #require(Double(deviation)) <= 2e-6)
    let exponents = output.matches(of: /(sp|spectral): .* grows as width\^([-.\d]+);/)
      .map { (String($0.1), Double($0.2)) }
    try #require(exponents.map(\.0) == ["sp", "spectral"])
    let (standard, spectral) = (try #require(exponents[0].1), try #require(exponents[1].1))
    #expect(standard > 0.4 && abs(spectral) < 0.2, "sp \(standard), spectral \(spectral)")
  }
}
