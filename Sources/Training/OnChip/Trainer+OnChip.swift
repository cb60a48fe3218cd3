import Networks
import Tensors

/// Many steps a launch, where the network allows it.
extension Trainer {
  /// Whether steps so far have been made many a launch, where nothing came between.
  package var trainsOnChip: Bool { onChip?.training != nil }

  /// What makes many steps a launch; nil where ordinary steps are taken. Tried when first asked for.
  func onChip(_ rows: DeviceRows) -> OnChipTraining? {
    // The kernel takes classes alone.
    if rows.targets != nil { return nil }
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
