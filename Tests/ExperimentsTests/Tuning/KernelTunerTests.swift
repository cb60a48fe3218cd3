import Foundation
import Tensors
import Testing

@testable import Experiments

/// The search on kernels whose times are made up, by a clock that they move.
@Suite struct KernelTunerTests {
  /// A kernel of two parameters, on two products.
  private final class MadeUpKernel {
    /// Milliseconds by parameters.
    let cost: ([String: Int]) -> Double
    /// Relative noise of a timing, its sign changing from one to the next.
    var noise = 0.0
    var wrong: Set<[String: Int]> = []
    var broken: Set<[String: Int]> = []
    var clock = 0.0
    private(set) var timed: [[String: Int]] = []
    private var state: UInt64 = 9

    init(_ cost: @escaping ([String: Int]) -> Double) {
      self.cost = cost
    }

    struct DoesNotCompile: Error {}

    func task(_ space: ParameterSpace = KernelTunerTests.space) -> TuningTask {
      TuningTask(
        family: "made/up", shapeClass: "any", start: ["a": 1, "b": 1], space: space,
        time: { parameters in
          if self.broken.contains(parameters) { throw DoesNotCompile() }
          self.timed.append(parameters)
          self.clock += 1
          return [1.0, 3.0].map { share in
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let random = Double(self.state >> 40) / Double(1 << 24) * 2 - 1
            return share * self.cost(parameters) * (1 + self.noise * random)
          }
        },
        isRight: { parameters in
          if self.broken.contains(parameters) { throw DoesNotCompile() }
          return !self.wrong.contains(parameters)
        })
    }

    func tune(seconds: Double = 1e6, isStopped: @escaping () -> Bool = { false }) throws
      -> KernelTuner.Outcome
    {
      try KernelTuner(seconds: seconds, now: { self.clock }, isStopped: isStopped).run(task())
    }
  }

  static let space = ParameterSpace(values: ["a": [1, 2, 4, 8], "b": [1, 2, 4, 8]])

  /// Fastest at a = 4, b = 8.
  private static func bowl(_ parameters: [String: Int]) -> Double {
    let (a, b) = (log2(Double(parameters["a"]!)), log2(Double(parameters["b"]!)))
    return 10 + (a - 2) * (a - 2) + (b - 3) * (b - 3)
  }

  @Test func fastest_isFound_withTimesThatSayHowMuch() throws {
    let kernel = MadeUpKernel(Self.bowl)
    let outcome = try kernel.tune()
    let found = try #require(outcome.kernel)
    #expect(found.parameters == ["a": 4, "b": 8])
    #expect(found.family == "made/up" && found.shapeClass == "any")
    // Products of 1 and 3 times the cost: the geometric mean is √3 times it.
    #expect(abs(found.before / (23 * 3.0.squareRoot()) - 1) <= 1e-12)
    #expect(abs(found.gain / 2.3 - 1) <= 1e-12 && abs(outcome.progress.gain / 2.3 - 1) <= 1e-12)
    #expect(outcome.progress.failed == 0 && outcome.progress.wrong == 0)
  }

  @Test func fastest_isFoundThroughNoise() throws {
    let kernel = MadeUpKernel(Self.bowl)
    kernel.noise = 0.02
    let found = try #require(try kernel.tune().kernel)
    #expect(Self.bowl(found.parameters) <= 11 && found.gain > 2)
  }

  /// Equally fast parameters, whose timings differ by chance: nothing is kept.
  @Test(arguments: [0.0, 0.01, 0.2]) func equalParameters_areNotKept(noise: Double) throws {
    let kernel = MadeUpKernel { _ in 5 }
    kernel.noise = noise
    let outcome = try kernel.tune()
    #expect(outcome.kernel == nil && outcome.progress.tried == 15)
  }

  /// Less than a hundredth is not worth other rounding.
  @Test func tinyGain_isNotKept() throws {
    #expect(try MadeUpKernel { $0["a"] == 4 ? 0.995 : 1 }.tune().kernel == nil)
    #expect(try MadeUpKernel { $0["a"] == 4 ? 0.97 : 1 }.tune().kernel != nil)
  }

  @Test func wrongParameters_areNeverTimedNorKept() throws {
    let kernel = MadeUpKernel(Self.bowl)
    kernel.wrong = [["a": 4, "b": 8], ["a": 4, "b": 4]]
    let outcome = try kernel.tune()
    let found = try #require(outcome.kernel)
    #expect(!kernel.wrong.contains(found.parameters) && outcome.progress.wrong == 2)
    #expect(Self.bowl(found.parameters) == 11)
    #expect(kernel.timed.allSatisfy { !kernel.wrong.contains($0) })
  }

  @Test func parametersThatDoNotRun_areCounted() throws {
    let kernel = MadeUpKernel(Self.bowl)
    kernel.broken = [["a": 4, "b": 8], ["a": 2, "b": 1]]
    let outcome = try kernel.tune()
    #expect(outcome.progress.failed == 2)
    #expect(Self.bowl(try #require(outcome.kernel).parameters) == 11)
  }

  /// A device that no longer answers is an error, not a failed candidate.
  @Test func startThatDoesNotRun_throws() {
    let kernel = MadeUpKernel(Self.bowl)
    kernel.broken = [["a": 1, "b": 1]]
    #expect(throws: MadeUpKernel.DoesNotCompile.self) { try kernel.tune() }
  }

  @Test func time_endsTheSearch_andWhatIsFoundIsKept() throws {
    let kernel = MadeUpKernel { $0 == ["a": 1, "b": 1] ? 2 : 1 }
    let outcome = try kernel.tune(seconds: 9)
    #expect(outcome.progress.tried == 1 && outcome.kernel != nil)
  }

  @Test func stop_endsTheSearch_andWhatIsFoundIsKept() throws {
    let kernel = MadeUpKernel { $0 == ["a": 1, "b": 1] ? 2 : 1 }
    let outcome = try kernel.tune { kernel.timed.count > 11 }
    #expect(outcome.kernel != nil && outcome.progress.tried == 2)
    let none = MadeUpKernel { $0 == ["a": 1, "b": 1] ? 2 : 1 }
    #expect(try none.tune { true }.kernel == nil)
  }

  /// Fast while it is searched, slow ever after: the confirmation counts.
  @Test func luckOfTheSearch_doesNotSurviveConfirmation() throws {
    var timings = 0
    let kernel = MadeUpKernel { parameters in
      timings += 1
      return parameters["a"] == 8 && timings < 120 ? 1 : 2
    }
    let outcome = try kernel.tune(seconds: 100)
    #expect(outcome.kernel == nil && outcome.progress.gain == 1)
  }

  @Test func report_countsUp() throws {
    var reports: [KernelTuner.Progress] = []
    let kernel = MadeUpKernel(Self.bowl)
    _ = try KernelTuner(seconds: 1e6, now: { kernel.clock }, report: { reports.append($0) })
      .run(kernel.task())
    #expect(reports.map(\.tried) == Array(1...15))
    #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.gain <= $1.gain })
  }
}
