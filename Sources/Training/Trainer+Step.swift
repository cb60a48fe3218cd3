import Networks
import OpenCL
import Tensors

/// One step: forward, loss, backward, update.
extension Trainer {
  /// One step on a batch; its loss goes to `slot` of `history`, a sum over the batch's rows.
  ///
  /// - input: [replica, batch, inputs]. labels: [replica, batch].
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func step(
    _ input: Tensor, labels: Buffer<UInt32>, recordingTo history: SumHistory, slot: Int
  ) throws {
    try step(parts: [input.rows], recordingTo: history, slot: Varying(UInt32(slot))) { _ in
      (input, labels, nil)
    }
  }

  /// One step on a batch that is computed in parts, of these rows.
  ///
  /// - slot: of the first part's loss; the others' follow.
  /// - part: the input and the labels of some of the batch's rows, with all targets where there are any.
  func step(
    parts: [Int], recordingTo history: SumHistory, slot: Varying<UInt32>,
    part: (Range<Int>) throws -> (
      input: Tensor, labels: Buffer<UInt32>, targets: Buffer<Float>?
    )
  ) throws {
    let diagnostics = diagnostics.flatMap { $0.isDue(step: step) ? $0 : nil }
    try diagnostics?.measure(step: step)
    let total = parts.reduce(0, +)
    let collected = parts.count == 1 && clipping == nil ? nil : CollectedGradients(compute: compute)
    var first = 0
    for (index, rows) in parts.enumerated() {
      let (input, labels, targets) = try part(first..<first + rows)
      first += rows
      let pass = try network(input)
      let batch = try loss(
        pass.output, labels, targets,
        record: LossRecord(
          history, slot: index == 0 ? slot : Varying(slot.value + UInt32(index)),
          active: optimizer.active))
      guard let collected else {
        try optimizer.beginStep(observer: diagnostics)
        try pass.backward(batch.gradient, receive: optimizer.update)
        break
      }
      try pass.backward(batch.gradient) { parameter, gradient in
        if optimizer.isFrozen(parameter) { return }
        if parts.count == 1 {
          collected.take(parameter, gradient)
        } else {
          try collected.add(parameter, gradient, share: Float(rows) / Float(total))
        }
      }
    }
    if let collected {
      let scales = try clipping?.scales(of: collected, by: optimizer, slot: slot)
      try optimizer.beginStep(observer: diagnostics, gradientScale: scales)
      try collected.handOver(to: optimizer.update)
    }
    try optimizer.finishStep()
    try diagnostics?.finishStep()
  }

  /// One step of `train` on a batch of `size` rows: its launches again where they are recorded and
  /// nothing is measured.
  func step(
    _ size: Int, of rows: DeviceRows, _ order: DeviceRows.Order, at offset: Int,
    recordingTo history: SumHistory
  ) throws {
    if let exchange, let own = exchange.begin(batch: size, labelsPerRow: rows.labelsPerRow) {
      return try step(
        sharing: own, of: size, by: exchange, of: rows, order, at: offset, recordingTo: history)
    }
    let parts = recordedParts(of: size)
    recordedSteps.offset.value = UInt32(offset)
    recordedSteps.slot.value = UInt32(waitingSlots)
    func workOut() throws {
      try step(parts: parts, recordingTo: history, slot: recordedSteps.slot) { part in
        let labels = try batchLabels(part.count * seeds.count * rows.labelsPerRow)
        let first =
          part.lowerBound == 0
          ? recordedSteps.offset : Varying(recordedSteps.offset.value + UInt32(part.lowerBound))
        let input = try rows.gather(
          order, offset: first, rows: part.count, labels: labels, compute: compute)
        return (input, labels, rows.targets)
      }
    }
    // Places of parts behind the first are not among what may vary; and norms that are held take more
    // passes in the first step of all.
    guard compute.recordsSteps, parts.count == 1, diagnostics?.isDue(step: step) != true,
      step > 0 || optimizer.heldNorms == nil
    else { return try workOut() }
    if let recorded = recordedSteps.step(of: size, on: rows) {
      try optimizer.beginStep()
      return try recorded.replay()
    }
    try optimizer.prepareStep()
    try recordedSteps.record(size, compute: compute, workOut)
  }

  /// The parts that a batch of `rows` has losses of: ranks record that of all rows together.
  func recordedParts(of rows: Int) -> [Int] { exchange == nil ? parts(of: rows) : [rows] }

  /// The parts that a batch of `rows` is computed in.
  func parts(of rows: Int) -> [Int] {
    let most = configuration.microBatch ?? rows
    return stride(from: 0, to: rows, by: most).map { min(most, rows - $0) }
  }

  /// Slots of losses that wait on the device.
  static func waitingCapacity(_ configuration: TrainingConfiguration, _ steps: Int) -> Int {
    let parts =
      (configuration.batchSize - 1) / (configuration.microBatch ?? configuration.batchSize) + 1
    return max(parts, min(steps * parts, mostWaitingLosses))
  }
}
