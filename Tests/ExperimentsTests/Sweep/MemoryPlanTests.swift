import Testing
import Tensors
import Training

@testable import Experiments

@Suite struct MemoryPlanTests {
  func group(width: Int, optimizer: OptimizerKind = .adam, cells: Int = 1) -> RunGroup {
    var settings = Fixture.settings
    settings.weightDecay = nil
    return RunGroup(
      settings: settings,
      cells: (0..<cells).map {
        RunCell(
          parametrization: "sp", optimizer: optimizer, width: width, log2LearningRate: 0,
          seed: UInt64($0))
      })
  }

  @Test func budget_isSharedOutInWholeReplicas() throws {
    let group = group(width: 64, cells: 10)
    let bytes = Int(MemoryPlan.bytesPerReplica(of: group).all)
    let plan = MemoryPlan(budget: 3 * bytes + 1000, largestBuffer: .max)
    #expect(try plan.replicas(of: group, dataBytes: 1000) == 3)
    #expect(try plan.replicas(of: group, dataBytes: 1001) == 2)
  }

  @Test func largestBuffer_limitsAsWell() throws {
    let group = group(width: 64, cells: 10)
    let largest = Int(MemoryPlan.bytesPerReplica(of: group).largest)
    let plan = MemoryPlan(budget: .max, largestBuffer: 5 * largest)
    #expect(try plan.replicas(of: group, dataBytes: 0) == 5)
  }

  @Test func notEvenOne_saysWhatIsNeededAndAllowed() throws {
    let plan = MemoryPlan(budget: 1 << 20, largestBuffer: .max)
    let error = #expect(throws: SweepError.self) {
      try plan.replicas(of: group(width: 512), dataBytes: 0)
    }
    let text = "\(try #require(error))"
    #expect(text.contains("width 512") && text.contains("1 MiB allowed"))
  }

  @Test(arguments: [1 << 17, 1 << 24]) func tensorBeyondTheDevice_isNamed(width: Int) {
    let plan = MemoryPlan(budget: .max, largestBuffer: .max)
    #expect(throws: SweepError.self) { try plan.replicas(of: group(width: width), dataBytes: 0) }
  }

  @Test func dataBeyondTheLargestBuffer_isRefused() {
    let plan = MemoryPlan(budget: .max, largestBuffer: 1 << 20)
    #expect(throws: SweepError.self) {
      try plan.replicas(of: group(width: 8), dataBytes: 1 << 21)
    }
  }

  /// Packed operands of large products, one buffer for each size; none for small ones, and none where the
  /// device or the precision has no use for them.
  @Test func warpgroups_takePackedOperands() {
    func elements(_ width: Int, _ precision: ProductPrecision) -> Double {
      var settings = Fixture.settings
      settings.batchSize = 512
      settings.data.trainCount = 5120
      let group = RunGroup(settings: settings, cells: group(width: width).cells)
      return MemoryPlan.sliceElements(
        of: group, measured: false, normsOfGradients: false, packsFor: precision)
        - MemoryPlan.sliceElements(of: group, measured: false, normsOfGradients: false)
    }
    let (short, long) = (elements(4096, .bf16), elements(4096, .tf32x3))
    let operands = Double((4096 + 512) * 4096)
    #expect(short >= operands / 2 && long >= 2 * operands)
    #expect(elements(64, .bf16) == 0 && elements(4096, .fp32) == 0)
  }

  @Test func adam_takesTwoMoreTensorsAWeightThanSGD() {
    let sgd = MemoryPlan.bytesPerReplica(of: group(width: 64, optimizer: .sgd)).all
    let adam = MemoryPlan.bytesPerReplica(of: group(width: 64)).all
    let weights = group(width: 64).training.network.graph.parameters.reduce(0) {
      $0 + $1.shape.fanIn * $1.shape.fanOut
    }
    #expect(adam - sgd == 2 * 4 * Double(weights))
  }
}
