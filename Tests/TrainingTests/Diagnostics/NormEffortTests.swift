import Testing

@testable import Training

@Suite struct NormEffortTests {
  @Test(arguments: [1, 2, 10, 100])
  func measurements_takeLessAsTheyGoOn(every: Int) {
    func effort(_ measurement: Int) -> NormEffort {
      .after(step: measurement * every, every: every)
    }
    #expect(effort(2).passes == 24 && effort(2).tolerance == nil)
    #expect(effort(3).passes == (every == 1 ? 3 : min(24, 4 + every / 2)))
    #expect(effort(19).passes == effort(3).passes && effort(19).tolerance == nil)
    #expect(effort(20).passes == effort(3).passes)
    #expect(effort(20).tolerance == (every == 1 ? 0.15 : 0.03))
  }
}
