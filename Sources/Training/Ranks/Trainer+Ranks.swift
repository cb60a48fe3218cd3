import Networks
import OpenCL
import Tensors

/// Steps of which several ranks compute a part each.
extension Trainer {
  /// Shares the batches of all steps to come with other ranks, which call the same with the same configuration,
  /// data, seed and weights.
  ///
  /// One rank alone trains as without. Traps where there are several replicas.
  public func share(by exchange: GradientExchange) {
    precondition(seeds.count == 1, "\(seeds.count) replicas: ranks train one network")
    if exchange.ranks.count > 1 { self.exchange = exchange }
  }

  /// One step of `train` of which this rank computes `own` rows of the `size` of the batch.
  func step(
    sharing own: Range<Int>, of size: Int, by exchange: GradientExchange, of rows: DeviceRows,
    _ order: DeviceRows.Order, at offset: Int, recordingTo history: SumHistory
  ) throws {
    let diagnostics = diagnostics.flatMap { $0.isDue(step: step) ? $0 : nil }
    try diagnostics?.measure(step: step)
    let parts = parts(of: own.count)
    // Of unequal shares one may be of several parts: then all hand over sums.
    let isInParts = exchange.mostRows > (configuration.microBatch ?? .max)
    let summed = isInParts ? CollectedGradients(compute: compute) : nil
    var first = offset + own.lowerBound
    for count in parts {
      let labels = try batchLabels(count * rows.labelsPerRow)
      let input = try rows.gather(
        order, offset: first, rows: count, labels: labels, compute: compute)
      first += count
      let pass = try network(input)
      let batch = try loss(pass.output, labels, rows.targets)
      try exchange.take(losses: batch.losses)
      // Of the mean over the batch, not over the part.
      let gradient =
        count == size
        ? batch.gradient : try compute.scaled(batch.gradient, by: Float(count) / Float(size))
      try pass.backward(gradient) { parameter, gradient in
        if optimizer.isFrozen(parameter) { return }
        if let summed {
          try summed.add(parameter, gradient, share: 1)
        } else {
          try exchange.take(parameter, gradient)
        }
      }
    }
    try summed?.handOver(to: exchange.take)
    let slot = Varying(UInt32(waitingSlots))
    try history.record(exchange.allLosses(ofStep: step), slot: slot, active: optimizer.active)
    if let clipping {
      let collected = CollectedGradients(compute: compute)
      try exchange.finish(collected.take)
      let scales = try clipping.scales(of: collected, by: optimizer, slot: slot)
      try optimizer.beginStep(observer: diagnostics, gradientScale: scales)
      try collected.handOver(to: optimizer.update)
    } else {
      try optimizer.beginStep(observer: diagnostics)
      try exchange.finish(optimizer.update)
    }
    try optimizer.finishStep()
    try diagnostics?.finishStep()
  }
}
