import OpenCL
import Testing
import Training

@testable import Experiments

@Suite struct MemoryPlanTests {
  let device: Device
  let plan: MemoryPlan

  init() throws {
    device = try .find(.best)
    plan = MemoryPlan(device: device)
  }

  func group(width: Int, optimizer: OptimizerKind = .adam, cells: Int = 1) -> RunGroup {
    var experiment = Fixture.experiment
    experiment.settings.weightDecay = WeightDecayChoice()
    return RunGroup(
      experiment: experiment,
      cells: (0..<cells).map {
        RunCell(
          parametrization: "sp", optimizer: optimizer, width: width, log2LearningRate: 0,
          seed: UInt64($0))
      })
  }

  @Test func budget_isSharedOutInWholeReplicas() throws {
    let group = group(width: 64, cells: 10)
    let bytes = Int(try plan.bytesPerReplica(of: group).all)
    let plan = MemoryPlan(device: device, budget: 3 * bytes + 1000, largestBuffer: .max)
    #expect(try plan.replicas(of: group, dataBytes: 1000) == 3)
    #expect(try plan.replicas(of: group, dataBytes: 1001) == 2)
  }

  @Test func largestBuffer_limitsAsWell() throws {
    let group = group(width: 64, cells: 10)
    let largest = Int(try plan.bytesPerReplica(of: group).largest)
    let plan = MemoryPlan(device: device, budget: .max, largestBuffer: 5 * largest)
    #expect(try plan.replicas(of: group, dataBytes: 0) == 5)
  }

  @Test func notEvenOne_saysWhatIsNeededAndAllowed() throws {
    let plan = MemoryPlan(device: device, budget: 1 << 20, largestBuffer: .max)
    let error = #expect(throws: SweepError.self) {
      try plan.replicas(of: group(width: 512), dataBytes: 0)
    }
    let text = "\(try #require(error))"
    #expect(text.contains("width 512") && text.contains("1 MiB allowed"))
  }

  @Test(arguments: [1 << 17, 1 << 24]) func tensorBeyondTheDevice_isNamed(width: Int) {
    let plan = MemoryPlan(device: device, budget: .max, largestBuffer: .max)
    #expect(throws: SweepError.self) { try plan.replicas(of: group(width: width), dataBytes: 0) }
  }

  @Test func dataBeyondTheLargestBuffer_isRefused() {
    let plan = MemoryPlan(device: device, budget: .max, largestBuffer: 1 << 20)
    #expect(throws: SweepError.self) {
      try plan.replicas(of: group(width: 8), dataBytes: 1 << 21)
    }
  }

  /// Two tensors a weight, and in the rule's table two corrections a step and a second hyperparameter
  /// where gradient descent has room for one.
  @Test func adam_takesItsStateAndNumbersMoreThanSGD() throws {
    let sgd = try plan.bytesPerReplica(of: group(width: 64, optimizer: .sgd)).all
    let adam = try plan.bytesPerReplica(of: group(width: 64)).all
    let weights = group(width: 64).training.network.graph.parameters.reduce(0) {
      $0 + $1.shape.fanIn * $1.shape.fanOut
    }
    let numbers = 2 * group(width: 64).totalSteps + 1
    #expect(adam - sgd == 4 * Double(2 * weights + numbers))
  }
}
