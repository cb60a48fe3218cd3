import OpenCL

/// A small network and how it is trained: what a kernel of Kernels/on_chip.cl is compiled for.
///
/// Hidden layers of one width without biases, one activation, a batch of a fixed size.
package struct OnChipNetwork: Hashable, Sendable {
  /// Columns of the input, columns of every hidden layer, number of hidden layers, classes.
  let inputs, features, depth, classes: Int
  /// Rows a step.
  let batch: Int
  /// φ after every hidden layer.
  let activation: Activation
  /// Whether the loss is the squared error, else cross-entropy.
  let squaredError: Bool
  /// The update rule.
  let rule: ElementwiseRule
  /// Whether the data's rows are stored as bytes, else as floats.
  package let bytes: Bool

  /// A network; all sizes ≥ 1.
  package init(
    inputs: Int, features: Int, depth: Int, classes: Int, batch: Int, activation: Activation,
    squaredError: Bool, rule: ElementwiseRule, bytes: Bool
  ) {
    (self.inputs, self.features, self.depth, self.classes) = (inputs, features, depth, classes)
    (self.batch, self.activation, self.squaredError) = (batch, activation, squaredError)
    (self.rule, self.bytes) = (rule, bytes)
  }

  /// The network in words: `64–64×2–10, batch 64`.
  package var description: String { "\(inputs)–\(features)×\(depth)–\(classes), batch \(batch)" }
}

/// How a network's kernel uses the memory of one processor: a work-group of `items` a replica.
package struct OnChipPlan: Hashable, Sendable {
  /// What is trained.
  package let network: OnChipNetwork
  /// Shares of the batch in which the readout's gradient is summed.
  private let parts: Int
  /// Whether the rule's state stays in registers over the steps of a launch.
  private let stateInRegisters: Bool

  /// Work-items of a group: the more there are, the fewer registers each has.
  static let items = 256
  /// Most hidden layers: the kernel's arguments are counted.
  private static let mostHidden = 4
  /// Quads of the rule's state that an item keeps in registers, beside some 170 registers of the
  /// products'; of 255 that there are.
  private static let quadsInRegisters = 16

  /// A plan for devices of `limits`; nil where the network does not fit, or has sizes that the kernel
  /// does not take.
  package init?(_ network: OnChipNetwork, limits: KernelLimits) {
    let n = network
    let (items, readoutQuads) = (Self.items, (n.classes + 3) / 4 * n.features)
    guard limits.workGroup >= items, (1...Self.mostHidden).contains(n.depth),
      [n.inputs, n.features, n.batch].allSatisfy({ $0 % 4 == 0 }), n.batch <= items,
      readoutQuads <= 2 * items
    else { return nil }
    let tiles = readoutQuads / 4
    let parts = [16, 8, 4, 2, 1].first { parts in
      (parts == 1 || tiles * parts <= items) && n.batch / 4 % parts == 0
        && Self.localMemory(n, parts: parts) <= limits.localMemory
    }
    guard let parts else { return nil }
    func quads(_ weights: Int) -> Int { (weights / 4 + items - 1) / items }
    let state =
      n.rule.state.count
      * (quads(n.features * n.inputs) + (n.depth - 1) * quads(n.features * n.features))
    (self.network, self.parts) = (network, parts)
    stateInRegisters = state <= Self.quadsInRegisters
  }

  /// Bytes of the kernel's __local arrays.
  private static func localMemory(_ n: OnChipNetwork, parts: Int) -> Int {
    let (inputQuads, quads, classQuads) = (n.inputs / 4, n.features / 4, (n.classes + 3) / 4)
    let weights =
      n.features * inputQuads + max(1, n.depth - 1) * n.features * quads + 4 * classQuads * quads
    let activations = n.depth * n.batch * quads * (n.activation.hidesDerivative ? 2 : 1)
    // The kernel's GEOMETRY: whether items share the tiles of m×n outputs.
    func sharesTiles(_ m: Int, _ n: Int) -> Bool {
      let blocks = m % 64 == 0 && m * n / items >= 32 ? 2 : 1
      return 2 * (m * n / 16 / blocks) <= items
    }
    let shares =
      sharesTiles(n.batch, n.features) || sharesTiles(n.features, n.inputs)
      || (n.depth > 1 && sharesTiles(n.features, n.features))
    let scratch = max(shares ? 4 * items : 0, 4 * classQuads * quads * parts)
    let rest =
      n.batch * inputQuads + 2 * n.batch * classQuads + n.batch / 4 + (n.batch + 15) / 16
      + 2 * inputQuads + n.depth + 1
    return 16 * (weights + activations + scratch + rest)
  }

  /// The macros of the kernel.
  var definitions: [String: String] {
    let n = network
    let numbers = [
      "INPUTS": n.inputs, "FEATURES": n.features, "DEPTH": n.depth, "CLASSES": n.classes,
      "BATCH": n.batch, "KIND": Int(n.activation.kernelCode),
      "SQUARED_ERROR": n.squaredError ? 1 : 0, "BYTES": n.bytes ? 1 : 0,
      "STATE_IN_REGISTERS": stateInRegisters ? 1 : 0, "PARTS": parts, "ITEMS": Self.items,
      "LOCAL_BYTES": Self.localMemory(n, parts: parts),
    ]
    return numbers.mapValues { "\($0)" }
  }
}

/// A layer as on-chip steps take it.
package struct OnChipLayer {
  let weight: Tensor
  let state: [Tensor]
  let rates: UpdateRates
  let multiplier: Float

  /// - weight: [replica, fanOut, fanIn]. state: what the rule keeps, each like the weight.
  ///   multiplier: α of the layer's product.
  package init(weight: Tensor, state: [Tensor], rates: UpdateRates, multiplier: Float) {
    (self.weight, self.state, self.rates, self.multiplier) = (weight, state, rates, multiplier)
  }
}

/// Which batches a launch takes, and where their losses go.
package struct OnChipSteps {
  /// The rows of every batch but the last is the plan's.
  let count, lastRows: Int
  /// Row of the order that the first batch begins with.
  let offset: Int
  /// The rule's numbers, moved to the first step; those of all steps are in device memory.
  let numbers: RuleNumbers
  let record: LossRecord

  /// `count` ≥ 1 steps, of which the last has `lastRows` rows.
  package init(
    count: Int, lastRows: Int, offset: Int, numbers: RuleNumbers, record: LossRecord
  ) {
    (self.count, self.lastRows, self.offset) = (count, lastRows, offset)
    (self.numbers, self.record) = (numbers, record)
  }
}

extension Compute {
  /// Whether networks that fit one processor are trained by on-chip steps.
  package enum OnChipUse: Sendable {
    /// On devices that are known to have the memory, for trainings that are long enough.
    case automatic
    /// Wherever the network fits, for tests.
    case always
    /// Nowhere.
    case never
  }

  /// Enqueues the steps: gather, forward, loss, backward and update of each, in one launch.
  ///
  /// Weights, state, `record`'s slots and `active` are afterwards what as many ordinary steps leave, up
  /// to rounding.
  /// - layers: the hidden layers and the readout.
  /// - Throws: `OpenCLError`.
  package func trainOnChip(
    _ plan: OnChipPlan, layers: [OnChipLayer], rows: DeviceRows, order: DeviceRows.Order,
    steps: OnChipSteps
  ) throws {
    let network = plan.network
    precondition(
      layers.count == network.depth + 1 && rows.inputs == network.inputs
        && rows.isBytes == network.bytes
        && (1...network.batch).contains(steps.lastRows) && steps.count >= 1
        && steps.offset + (steps.count - 1) * network.batch + steps.lastRows <= order.period
        && steps.numbers.slot + steps.count <= steps.numbers.capacity
        && steps.numbers.rule == network.rule,
      "\(steps.count) steps from row \(steps.offset) of \(order.period), \(network)")
    for step in [0, steps.count - 1] {
      let (history, slot) = (steps.record.history, Int(steps.record.slot.value) + step)
      history.check(slot, layers[0].weight, steps.record.active)
    }
    switch rows.storage {
    case .bytes(let source):
      try trainOnChip(plan, layers, rows, source, order, steps)
    case .floats(let source):
      try trainOnChip(plan, layers, rows, source, order, steps)
    case .tokens, .wideTokens: preconditionFailure("tokens on chip")
    }
  }

  private func trainOnChip<Element>(
    _ plan: OnChipPlan, _ layers: [OnChipLayer], _ rows: DeviceRows,
    _ source: Buffer<Element>, _ order: DeviceRows.Order, _ steps: OnChipSteps
  ) throws {
    typealias Floats = Buffer<Float>
    typealias Quads = Buffer<SIMD4<Float>>
    let kernel = try kernel(
      .onChip, "train_on_chip", definitions: plan.definitions, rule: plan.network.rule,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Quads.self, Quads.self, Quads.self, Quads.self, Quads.self,
      Buffer<Element>.self, Buffer<UInt32>.self, Floats.self, Floats.self, Buffer<UInt32>.self,
      Floats.self, Floats.self, Floats.self, Floats.self,
      Float.self, Float.self, Float.self, Float.self, Float.self,
      UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    guard let normalization = rows.normalization else { preconditionFailure("tokens on chip") }
    // The kernel looks at no layer beyond the readout, and at no state that the rule does not have.
    let five = (0..<5).map { layers[min($0, layers.count - 1)] }
    let weight = five.map(\.weight.buffer)
    let first = five.map { ($0.state.first ?? $0.weight).buffer }
    let second = five.map { ($0.state.last ?? $0.weight).buffer }
    let (rates, alpha) = (five.map(\.rates.buffer), five.map(\.multiplier))
    let (record, numbers) = (steps.record, steps.numbers)
    try kernel(
      queue, global: [OnChipPlan.items * order.replicas], local: [OnChipPlan.items],
      weight[0], weight[1], weight[2], weight[3], weight[4],
      first[0], first[1], first[2], first[3], first[4],
      second[0], second[1], second[2], second[3], second[4],
      rates[0], rates[1], rates[2], rates[3], rates[4],
      source, rows.labels, normalization.scale, normalization.shift, order.buffer,
      numbers.hyperparameters, numbers.steps, record.history.buffer, record.active.buffer,
      alpha[0], alpha[1], alpha[2], alpha[3], alpha[4],
      UInt32(steps.offset), UInt32(order.period), UInt32(steps.numbers.slot), UInt32(steps.count),
      UInt32(steps.lastRows), record.slot.value)
  }
}
