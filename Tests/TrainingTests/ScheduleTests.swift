import Foundation
import Testing

@testable import Training

@Suite struct ScheduleTests {
  @Test func constant_isOne() {
    #expect((0..<10).allSatisfy { Schedule().factor(step: $0, of: 10) == 1 })
  }

  @Test(arguments: Schedule.Shape.allCases) func warmup_risesLinearlyToOne(shape: Schedule.Shape) {
    let schedule = Schedule(shape, warmup: 0.25)
    let rise = (0..<5).map { schedule.factor(step: $0, of: 20) }
    #expect(rise == [0.2, 0.4, 0.6, 0.8, 1])
    #expect(schedule.factor(step: 5, of: 20) == 1)
  }

  @Test func cosine_isHalfInTheMiddle_andFallsThroughout() {
    let factors = (0..<100).map { Schedule(.cosine).factor(step: $0, of: 100) }
    #expect(abs(factors[50] - 0.5) <= 1e-12)
    #expect(zip(factors, factors.dropFirst()).allSatisfy { $0 > $1 })
    #expect(factors[99] > 0 && factors[99] < 0.001)
  }

  @Test func linear_fallsByEqualSteps() {
    let factors = (0..<4).map { Schedule(.linear).factor(step: $0, of: 4) }
    #expect(factors == [1, 0.75, 0.5, 0.25])
  }

  @Test func warmupStableDecay_fallsOverTheLastFifth() {
    let factors = (0..<20).map { Schedule(.warmupStableDecay).factor(step: $0, of: 20) }
    #expect(factors.prefix(17).allSatisfy { $0 == 1 })
    #expect(Array(factors.suffix(4)) == [1, 0.75, 0.5, 0.25])
  }

  @Test(arguments: Schedule.Shape.allCases) func everyFactor_isInUnitRange(shape: Schedule.Shape) {
    for total in [1, 2, 3, 7, 100] {
      for warmup in [0, 0.1, 0.5, 0.99] {
        for step in 0..<total {
          let factor = Schedule(shape, warmup: warmup).factor(step: step, of: total)
          #expect(factor > 0 && factor <= 1, "\(total) \(warmup) \(step)")
        }
      }
    }
  }
}
