import Testing

@Suite struct ExampleTests {
  @Test func trainMLP_learnsAtBothWidths() throws {
    let result = try CommandRunner.run([], program: "TrainMLP")
    #expect(result.status == 0, "\(result.errors)")
    for width in [64, 256] {
      let losses = result.output.matches(of: /width (\d+), epoch \d: loss (\S+)/)
        .filter { Int($0.1) == width }.compactMap { Double($0.2) }
      #expect(losses.count == 5)
      #expect(try #require(losses.last) < losses[0] / 3)
    }
    let accuracies = result.output.matches(of: /accuracy (\S+)/).compactMap { Double($0.1) }
    #expect(accuracies.count == 2 && accuracies.allSatisfy { $0 > 0.8 })
  }
}
