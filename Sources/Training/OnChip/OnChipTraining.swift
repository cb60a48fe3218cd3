import Foundation
import Networks
import OpenCL
import Tensors

/// Trains replicas many steps a launch, where their network fits the memory of one processor of the
/// device; see Kernels/on_chip.cl.
///
/// A launch costs the host as long as a small network's step takes the device: ten launches a step,
/// with 32 replicas of 64–64–64–10, are 113 µs on an H200, where on-chip steps are 13 µs.
final class OnChipTraining {
  /// Steps below which a training takes ordinary ones: compiling the kernel costs some seconds.
  static let leastSteps = 4096
  /// Steps whose schedule and corrections are written to the device at once.
  private static let tableSteps = 1024

  private let plan: OnChipPlan
  private let layers: [OnChipLayer]
  private let beta: (Float, Float)
  private let optimizer: Optimizer
  private let schedule: Schedule
  private let totalSteps: Int
  private let compute: Compute
  private var table: (first: Int, values: Buffer<SIMD4<Float>>)?

  /// On-chip steps by a kernel that has been tried.
  ///
  /// - totalSteps: those that the schedule is laid out for.
  init(
    _ plan: OnChipPlan, network: Network, optimizer: Optimizer, schedule: Schedule, totalSteps: Int,
    compute: Compute
  ) {
    (self.plan, self.optimizer, self.compute) = (plan, optimizer, compute)
    (self.schedule, self.totalSteps) = (schedule, totalSteps)
    layers = network.parameters.map {
      OnChipLayer(
        weight: $0.value, state: optimizer.state(of: $0), rates: optimizer.rates(of: $0),
        multiplier: $0.multiplier)
    }
    beta =
      switch optimizer.rule {
      case let rule as Adam: (Float(rule.beta1), Float(rule.beta2))
      case let rule as Momentum: (rule.momentum, 0)
      default: (0, 0)
      }
  }

  /// How many of the next `steps` steps one launch can make; nil where that is none.
  func stepsAtOnce(of steps: Int) -> Int? {
    steps == 0 ? nil : min(steps, Self.tableSteps - optimizer.step % Self.tableSteps)
  }

  /// Enqueues `count` steps, as many as `stepsAtOnce` allows, on batches of the order from `offset` on.
  ///
  /// - lastRows: rows of the last step's batch. slot: of the first step's losses.
  /// - Throws: `OpenCLError`.
  func train(
    _ count: Int, lastRows: Int, on rows: DeviceRows, order: DeviceRows.Order, offset: Int,
    recordingTo history: SumHistory, slot: Int
  ) throws {
    let step = optimizer.step
    let first = step % Self.tableSteps
    try compute.trainOnChip(
      plan, layers: layers, beta: beta, rows: rows, order: order,
      steps: OnChipSteps(
        count: count, lastRows: lastRows, offset: offset, table: table(from: step - first),
        first: first, record: LossRecord(history, slot: slot, active: optimizer.active)))
    optimizer.resume(afterSteps: step + count)
  }

  /// (schedule, c₁, c₂, 0) of the steps from `first` on.
  private func table(from first: Int) throws -> Buffer<SIMD4<Float>> {
    if let table, table.first == first { return table.values }
    let adam = optimizer.rule as? Adam
    let values = (first..<min(first + Self.tableSteps, totalSteps)).map { step in
      SIMD4(
        Float(schedule.factor(step: step, of: totalSteps)),
        Float(adam?.meanCorrection(step: step + 1) ?? 1),
        Float(adam?.squareCorrection(step: step + 1) ?? 1), 0)
    }
    let buffer =
      try table?.values
      ?? Buffer<SIMD4<Float>>(context: compute.queue.context, count: Self.tableSteps)
    try buffer.write(values, queue: compute.queue)
    table = (first, buffer)
    return buffer
  }
}

extension OnChipNetwork {
  /// The network of `graph` as it is trained; nil where an on-chip step does not compute that: other
  /// operations than linear ones without bias and one activation, hidden layers of several widths, a
  /// rule that is not built in.
  init?(
    _ graph: NetworkGraph, rule: any UpdateRule, loss: LossFunction, batch: Int, bytes: Bool
  ) {
    var weights: [Int] = []
    var activations: [Activation] = []
    for (index, step) in graph.nodes.enumerated().dropFirst() {
      guard step.inputs.map(\.index) == [index - 1] else { return nil }
      if let linear = step.operation as? Linear, !linear.hasBias {
        // Two layers with nothing between have the identity there.
        if activations.count < weights.count { activations.append(.identity) }
        weights += step.parameters
      } else if let operation = step.operation as? ActivationOperation,
        activations.count < weights.count
      {
        activations.append(operation.activation)
      } else {
        return nil
      }
    }
    guard weights == Array(graph.parameters.indices), weights.count >= 2,
      activations.count == weights.count - 1, graph.output.index == graph.nodes.count - 1,
      Set(activations).count == 1
    else { return nil }
    let shapes = weights.map { graph.parameters[$0].shape }
    let features = shapes[0].fanOut
    guard shapes.dropLast().allSatisfy({ $0.fanOut == features }) else { return nil }
    let kind: UpdateDirection.Kind
    switch rule {
    case is SGD: kind = .gradient
    case let rule as Momentum: kind = rule.nesterov ? .nesterov : .momentum
    case is Adam: kind = .adam
    default: return nil
    }
    self.init(
      inputs: shapes[0].fanIn, features: features, depth: weights.count - 1,
      classes: shapes[weights.count - 1].fanOut, batch: batch, activation: activations[0],
      squaredError: loss == .meanSquaredError, rule: kind,
      bytes: bytes)
  }
}

extension Compute {
  /// How a network of `graph` is trained on chip for `steps` steps; nil where ordinary steps are taken.
  ///
  /// - trial: is run where the kernel has not been tried. Whatever goes wrong there, ordinary steps can
  ///   be tried after it; where it says nothing of the kernel, as where memory is short, the next
  ///   training tries again.
  func onChipPlan(_ trial: OnChipTrial, graph: NetworkGraph, steps: Int) -> OnChipPlan? {
    guard allowsOnChip(steps: steps),
      let network = OnChipNetwork(
        graph, rule: trial.rule, loss: trial.configuration.loss,
        batch: trial.configuration.batchSize, bytes: trial.bytes),
      let plan = OnChipPlan(network, limits: onChipLimits)
    else { return nil }
    if let known = onChipTrials[plan] { return known == nil ? plan : nil }
    do {
      try TrialError.retried(compute: self) { try trial.run(plan, compute: self) }
      onChipTrials[plan] = .some(nil)
      return plan
    } catch {
      if error is OnChipTrialError || TrialError.speaksOfTheKernel(error) {
        onChipTrials[plan] = .some(error)
      }
      whenOnChipGivesWay?(network.description, error)
      return nil
    }
  }

  /// The network of `configuration` where a long training of rows that are floats, or bytes, would try
  /// on-chip steps of it; else nil.
  package func onChipNetwork(
    of configuration: TrainingConfiguration, bytes: Bool
  ) -> OnChipNetwork? {
    OnChipNetwork(
      configuration.network.graph, rule: configuration.optimizer.rule, loss: configuration.loss,
      batch: configuration.batchSize, bytes: bytes
    ).flatMap {
      allowsOnChip(steps: .max) && OnChipPlan($0, limits: onChipLimits) != nil ? $0 : nil
    }
  }

  private var onChipLimits: KernelLimits { KernelLimits(tuningTilesOn: queue.device) }

  private func allowsOnChip(steps: Int) -> Bool {
    let device = queue.device
    switch onChipUse {
    case .never: return false
    case .always: break
    case .automatic:
      // Another multiplication that was asked for by name is the one that computes.
      guard device.kind == .gpu, let version = device.computeCapability, version.major >= 7,
        multiplier is GPUMultiplier, steps >= OnChipTraining.leastSteps
      else { return false }
    }
    return multiplier.precision == .fp32
  }
}
