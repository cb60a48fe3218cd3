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

  private let plan: OnChipPlan
  private let layers: [OnChipLayer]
  private let optimizer: Optimizer
  private let numbers: RuleNumbers
  private let compute: Compute

  /// On-chip steps by a kernel that has been tried.
  ///
  /// - numbers: of the rule that updates all parameters.
  init(
    _ plan: OnChipPlan, network: Network, optimizer: Optimizer, numbers: RuleNumbers,
    compute: Compute
  ) {
    (self.plan, self.optimizer, self.compute) = (plan, optimizer, compute)
    self.numbers = numbers
    layers = network.parameters.map {
      OnChipLayer(
        weight: $0.value, state: optimizer.state(of: $0), rates: optimizer.rates(of: $0),
        multiplier: $0.multiplier)
    }
  }

  /// How many of the next `steps` steps one launch can make; nil where that is none.
  func stepsAtOnce(of steps: Int) -> Int? {
    steps == 0 ? nil : min(steps, numbers.capacity - optimizer.step % numbers.capacity)
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
    try numbers.move(to: step)
    try compute.trainOnChip(
      plan, layers: layers, rows: rows, order: order,
      steps: OnChipSteps(
        count: count, lastRows: lastRows, offset: offset, numbers: numbers,
        record: LossRecord(history, slot: slot, active: optimizer.active)))
    optimizer.resume(afterSteps: step + count)
  }
}

extension OnChipNetwork {
  /// The network of `graph` as it is trained; nil where an on-chip step does not compute that: other
  /// operations than linear ones without bias and one activation, hidden layers of several widths.
  init?(
    _ graph: NetworkGraph, rule: ElementwiseRule, loss: LossFunction, batch: Int, bytes: Bool
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
    self.init(
      inputs: shapes[0].fanIn, features: features, depth: weights.count - 1,
      classes: shapes[weights.count - 1].fanOut, batch: batch, activation: activations[0],
      squaredError: loss == .meanSquaredError, rule: rule,
      bytes: bytes)
  }
}

extension Compute {
  /// How a network of `graph` is trained on chip for `steps` steps; nil where ordinary steps are taken.
  ///
  /// - trial: is run where the kernel has not been tried. Whatever goes wrong there, ordinary steps can
  ///   be tried after it; where it says nothing of the kernel, as where memory is short, the next
  ///   training tries again.
  func onChipPlan(
    _ trial: OnChipTrial, rule: ElementwiseRule, graph: NetworkGraph, steps: Int
  ) -> OnChipPlan? {
    guard allowsOnChip(steps: steps),
      let network = OnChipNetwork(
        graph, rule: rule, loss: trial.configuration.loss,
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
    let optimization = configuration.optimization
    guard optimization.groups.isEmpty, optimization.clipNorm == nil,
      optimization.constraint == nil,
      configuration.microBatch ?? configuration.batchSize >= configuration.batchSize,
      let rule = optimization.optimizer.rule() as? any ElementwiseUpdateRule,
      let network = OnChipNetwork(
        configuration.network.graph, rule: rule.elementwise, loss: configuration.loss,
        batch: configuration.batchSize, bytes: bytes),
      allowsOnChip(steps: .max), OnChipPlan(network, limits: onChipLimits) != nil
    else { return nil }
    return network
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
        backend is GPUBackend, steps >= OnChipTraining.leastSteps
      else { return false }
    }
    return backend.precision == .fp32
  }
}

/// Many steps a launch, where the network allows it.
extension Trainer {
  /// Whether steps so far have been made many a launch, where nothing came between.
  package var trainsOnChip: Bool { onChip?.training != nil }

  /// What makes many steps a launch; nil where ordinary steps are taken. Tried when first asked for.
  func onChip(_ rows: DeviceRows) -> OnChipTraining? {
    // The kernel takes classes of rows of numbers alone.
    if rows.targets != nil || rows.labelsPerRow > 1 { return nil }
    // Nor does it find norms.
    if optimizer.heldNorms != nil { return nil }
    if let onChip, onChip.bytes == rows.isBytes { return onChip.training }
    var tried = configuration
    tried.optimization = optimization
    let trial = OnChipTrial(
      configuration: tried, customRule: customRule, parametrization: parametrization,
      bytes: rows.isBytes)
    let plan = sharedNumbers.flatMap {
      compute.onChipPlan(trial, rule: $0.rule, graph: network.graph, steps: totalSteps)
    }
    trainOnChip(plan, bytes: rows.isBytes)
    return onChip?.training
  }

  /// Takes on-chip steps by `plan` from now on; nil for ordinary ones.
  func trainOnChip(_ plan: OnChipPlan?, bytes: Bool) {
    var training: OnChipTraining?
    if let plan, let sharedNumbers {
      training = OnChipTraining(
        plan, network: network, optimizer: optimizer, numbers: sharedNumbers, compute: compute)
    }
    onChip = (bytes, training)
  }

  /// The numbers of the rule that updates all parameters, where nothing has to see their gradients.
  private var sharedNumbers: RuleNumbers? {
    clipping == nil && parts(of: configuration.batchSize).count == 1
      ? optimizer.sharedNumbers(of: network.parameters) : nil
  }
}
