import Networks
import OpenCL
import Spectral
import Tensors

/// Trains replicas of one shape together.
///
/// A replica's losses do not depend on which others are in its group.
public final class Trainer {
  /// What the replicas share.
  public let configuration: TrainingConfiguration
  /// The network with every replica's parameters.
  public let network: Network
  /// Number of steps that the schedule is laid out for.
  public let totalSteps: Int
  /// Epochs begun.
  public internal(set) var epoch = 0
  /// Steps done.
  public var step: Int { optimizer.step }
  /// What measures the network while it trains, if anything does.
  private(set) var diagnostics: Diagnostics?
  let seeds: [UInt64]
  let optimizer: Optimizer
  /// What clips gradients, where any replica's are.
  let clipping: GradientClipping?
  let customRule: (any UpdateRule)?
  /// [parameter][replica].
  private let scalings: [[WidthScaling]]
  let compute: Compute
  /// Steps done of the epoch under way; 0 between epochs.
  var epochStep = 0
  /// The losses that have been read.
  var losses = StepLosses()
  /// Labels of the parts of each step whose losses wait in `history`, a slot a part.
  private var waitingSizes: [[Int]] = []
  var waitingSlots = 0
  let recordedSteps = RecordedSteps()
  /// What shares batches with other ranks, if any do.
  var exchange: GradientExchange?
  private var labels: [Int: Buffer<UInt32>] = [:]
  private var history: SumHistory?
  /// Begins with the first step that is trained here, after a restored state's.
  private var pace: ProgressPace?
  private var shuffle: RowShuffle?
  let parametrization: any Parametrization
  /// Of the first replica.
  let optimization: Optimization
  /// What makes many steps a launch of rows that are bytes, or floats; `training` is nil where ordinary
  /// steps are taken.
  var onChip: (bytes: Bool, training: OnChipTraining?)?
  /// The rows' order in an epoch.
  private var order: (epoch: Int, rows: DeviceRows.Order)?
  /// Steps whose losses wait on the device before they are read.
  public static let mostWaitingLosses = 1024

  /// Replicas with parameters drawn and nothing trained.
  ///
  /// - totalSteps: ≥ 1; training past it is a programmer's mistake.
  /// - rule: a custom update rule, for the parameters whose group names none.
  /// - Throws: `OpenCLError` where memory is short.
  public init(
    _ configuration: TrainingConfiguration, replicas: [Replica], totalSteps: Int,
    rule: (any UpdateRule)? = nil, compute: Compute
  ) throws {
    precondition(!replicas.isEmpty && totalSteps >= 1, "no replicas or no steps")
    let graph = configuration.network.graph
    var known: [ReplicaKind: [(scaling: WidthScaling, settings: ParameterSettings)]] = [:]
    let kinds = replicas.map { replica in
      ReplicaKind(
        parametrization: replica.parametrization.name,
        optimization: replica.optimization ?? configuration.optimization)
    }
    for (replica, kind) in zip(replicas, kinds) where known[kind] == nil {
      known[kind] = Array(
        zip(
          configuration.scalings(
            of: graph, under: replica.parametrization, optimization: kind.optimization,
            custom: rule),
          graph.parameters.map(kind.optimization.settings)))
    }
    let scalings = graph.parameters.indices.map { parameter in
      kinds.map { known[$0]![parameter].scaling }
    }
    let limits = kinds.map(\.optimization.clipNorm)
    self.configuration = configuration
    self.totalSteps = totalSteps
    self.compute = compute
    self.scalings = scalings
    customRule = rule
    seeds = replicas.map(\.seed)
    parametrization = replicas[0].parametrization
    optimization = kinds[0].optimization
    network = try Network(
      drawing: graph, scalings: scalings, seeds: seeds, weightInit: configuration.weightInit,
      compute: compute)
    optimizer = try Optimizer(
      parameters: network.parameters,
      settings: graph.parameters.indices.map { parameter in
        kinds.map { known[$0]![parameter].settings }
      }, learningRates: replicas.map(\.learningRate), scalings: scalings, totalSteps: totalSteps,
      custom: rule, scalesGradients: limits.contains { $0 != nil }, compute: compute)
    clipping =
      limits.allSatisfy { $0 == nil }
      ? nil
      : try GradientClipping(
        limits: limits, capacity: Self.waitingCapacity(configuration, totalSteps), compute: compute)
  }

  /// Replicas that have their scalings and settings in common.
  private struct ReplicaKind: Hashable {
    let parametrization: String
    let optimization: Optimization
  }

  /// Has the network measured every few steps from now on, beginning with the next one.
  ///
  /// - probe: its first `probeRows` rows, of a text a few windows, are what features are measured on.
  /// - Throws: `OpenCLError` where memory is short.
  @discardableResult
  public func diagnose(
    every: Int, contents: Diagnostics.Contents = .all, probe: DeviceRows
  ) throws -> Diagnostics {
    let rows = min(Self.probeRows(labelsPerRow: probe.labelsPerRow), probe.count)
    let order = try probe.order(of: 0..<rows, replicas: seeds.count, compute: compute)
    let batch = try probe.gather(
      order, offset: 0, rows: rows,
      labels: batchLabels(rows * seeds.count * probe.labelsPerRow), compute: compute)
    let stds = zip(network.graph.parameters, scalings).map { parameter, scaling in
      scaling.map { $0.initialStd * parameter.initialFactor }
    }
    let diagnostics = try Diagnostics(
      network: network, optimizer: optimizer, initialStds: stds, probe: batch, every: every,
      contents: contents, compute: compute)
    self.diagnostics = diagnostics
    return diagnostics
  }

  /// Rows of the batch that features are measured on.
  public static let probeRows = 32

  /// The same of a text: a few windows, of some hundred tokens.
  static func probeRows(labelsPerRow: Int) -> Int {
    labelsPerRow == 1 ? probeRows : max(2, 256 / labelsPerRow)
  }

  /// Trains until `steps` steps have been made in all, epoch after epoch, without waiting for the
  /// device between them.
  ///
  ///     try trainer.train(on: rows, until: trainer.totalSteps)
  ///     let losses = try trainer.allLosses()
  ///
  /// Each epoch has an order of its own, which depends on seed and epoch alone; its last short batch
  /// is kept. An epoch that `progress` ended, or that a restored state stands in, is finished first.
  /// - steps: at most `totalSteps`.
  /// - every: steps after whose multiples `progress` is called in any case.
  /// - progress: called every few steps and at the end, after the device has done them, with the
  ///   steps done in all; what it throws ends the call.
  /// - waits: whether the call returns when the device has done the steps; else when they are
  ///   enqueued, and `progress` is not called at the end.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `progress` throws.
  public func train(
    on rows: DeviceRows, until steps: Int, every: Int? = nil, waits: Bool = true,
    progress: (Int) throws -> Void = { _ in }
  ) throws {
    precondition(steps <= totalSteps, "\(steps) steps of \(totalSteps)")
    let history = try lossHistory()
    if pace == nil { pace = ProgressPace(step: step) }
    while step < steps {
      let order = try order(of: rows)
      let offset = epochStep * configuration.batchSize
      precondition(
        offset < rows.count, "an epoch under way has come to row \(offset) of \(rows.count)")
      let size = min(configuration.batchSize, rows.count - offset)
      let parts = recordedParts(of: size)
      if waitingSlots + parts.count > history.capacity { try collectLosses() }
      let onChip = exchange == nil ? onChip(rows) : nil
      let sizes =
        onChip == nil
        ? [] : batchSizes(until: steps, every: every, of: rows, room: history.capacity)
      if let onChip, let count = onChip.stepsAtOnce(of: sizes.count) {
        try onChip.train(
          count, lastRows: sizes[count - 1], on: rows, order: order, offset: offset,
          recordingTo: history, slot: waitingSlots)
        finished(sizes.prefix(count).map { [$0] }, of: rows)
      } else {
        try step(size, of: rows, order, at: offset, recordingTo: history)
        finished([parts], of: rows)
      }
      // After the last step progress is called in any case.
      guard step < steps else { break }
      if pace!.isDue(step: step) || every.map({ step % $0 == 0 }) == true
        || exchange?.isStopAgreed == true
      {
        try compute.queue.finish()
        try progress(step)
        pace!.looked(step: step, most: onChip == nil ? ProgressPace.most : history.capacity)
      }
    }
    guard waits else { return }
    try compute.queue.finish()
    try progress(step)
  }

  /// Notes steps that are enqueued, by the rows of their batches' parts.
  private func finished(_ sizes: [[Int]], of rows: DeviceRows) {
    waitingSizes += sizes.map { parts in parts.map { $0 * rows.labelsPerRow } }
    waitingSlots += sizes.reduce(0) { $0 + $1.count }
    epochStep = step == totalSteps ? 0 : (epochStep + sizes.count) % stepsPerEpoch(of: rows)
  }

  /// Rows of the batches from here on that nothing has to come between: no diagnostics, call of
  /// `progress`, end of an epoch or of the room for losses; none where the next step is diagnosed.
  private func batchSizes(until steps: Int, every: Int?, of rows: DeviceRows, room: Int) -> [Int] {
    if let diagnostics, diagnostics.isDue(step: step) { return [] }
    let count = [
      steps - step, stepsPerEpoch(of: rows) - epochStep, room - waitingSlots,
      max(1, pace!.nextStep - step),
      every.map { $0 - step % $0 }, diagnostics.map { $0.every - step % $0.every },
    ].compactMap { $0 }.min()!
    return (epochStep..<epochStep + count).map {
      min(configuration.batchSize, rows.count - $0 * configuration.batchSize)
    }
  }

  /// Whether steps of some batch size have been recorded, and their launches are made again.
  package var repeatsSteps: Bool { recordedSteps.areThere }

  /// One pass over the data, or what of it fits `totalSteps`; the rest of the epoch under way where
  /// `progress` ended one, or a restored state stands in one.
  ///
  /// - every, progress: as for `train`.
  /// - Returns: each step's mean loss before its update, by replica, of the whole epoch.
  /// - Throws: as `train`.
  public func trainEpoch(
    on rows: DeviceRows, every: Int? = nil, progress: (Int) throws -> Void = { _ in }
  ) throws -> StepLosses {
    let done = epochStep
    let steps = min(stepsPerEpoch(of: rows) - done, totalSteps - step)
    try train(on: rows, until: step + steps, every: every, progress: progress)
    return try allLosses().suffix(done + steps)
  }

  private func stepsPerEpoch(of rows: DeviceRows) -> Int {
    (rows.count + configuration.batchSize - 1) / configuration.batchSize
  }

  /// The order of the epoch under way; between epochs the next one is begun.
  private func order(of rows: DeviceRows) throws -> DeviceRows.Order {
    if epochStep == 0 { epoch += 1 }
    if let order, order.epoch == epoch, order.rows.period == rows.count { return order.rows }
    let shuffle = try shuffle(of: rows.count)
    let made = try rows.order(shuffle, stream: Philox.stream("order.\(epoch)"))
    order = (epoch, made)
    return made
  }

  private func shuffle(of count: Int) throws -> RowShuffle {
    if let shuffle, shuffle.count == count { return shuffle }
    let made = try RowShuffle(count: count, seeds: seeds, compute: compute)
    shuffle = made
    return made
  }

  /// The losses of every step of `train` and `trainEpoch` so far; waits for the device.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func allLosses() throws -> StepLosses {
    try collectLosses()
    return losses
  }

  /// Reads the losses that wait on the device.
  func collectLosses() throws {
    guard !waitingSizes.isEmpty, let history else { return }
    let sums = try history.read(slots: waitingSlots)
    let norms = try clipping?.read(slots: waitingSlots)
    var slot = 0
    for parts in waitingSizes {
      let own = sums[slot..<slot + parts.count]
      losses.append(
        own.dropFirst().reduce(own.first!) { zip($0, $1).map(+) }, rows: parts.reduce(0, +),
        gradientNorms: norms?[slot])
      slot += parts.count
    }
    (waitingSizes, waitingSlots) = ([], 0)
  }

  /// The gradient of the mean loss over the first `count` rows with respect to `parameter`, of its
  /// shape; nothing is changed.
  ///
  /// - count: from 1 to the number of rows.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func gradient(of parameter: Parameter, on rows: DeviceRows, count: Int) throws -> Tensor {
    let order = try rows.order(of: 0..<count, replicas: seeds.count, compute: compute)
    let labels = try batchLabels(count * seeds.count * rows.labelsPerRow)
    let input = try rows.gather(
      order, offset: 0, rows: count, labels: labels, compute: compute)
    let pass = try network(input)
    var result: Tensor?
    try pass.backward(loss(pass.output, labels, rows.targets).gradient) { candidate, gradient in
      if candidate === parameter { result = try gradient.materialized(compute) }
    }
    guard let result else { preconditionFailure("\(parameter.name) is not of this network") }
    return result
  }

  /// The parameter's values, [replica, …]; waits for the device.
  ///
  /// - Throws: `OpenCLError`.
  public func values(of parameter: Parameter) throws -> [Float] {
    try compute.read(parameter.value)
  }

  /// - targets: of all the rows, where the network is to give numbers; labels are then row numbers.
  func loss(
    _ logits: Tensor, _ labels: Buffer<UInt32>, _ targets: Buffer<Float>?,
    record: LossRecord? = nil
  ) throws -> BatchLoss {
    if let targets {
      precondition(
        configuration.loss == .meanSquaredError, "targets under \(configuration.loss.rawValue)")
      return try compute.meanSquaredError(
        logits, to: targets, rowNumbers: labels, record: record)
    }
    switch configuration.loss {
    case .crossEntropy: return try compute.crossEntropy(logits, labels: labels, record: record)
    case .meanSquaredError:
      return try compute.meanSquaredError(logits, labels: labels, record: record)
    }
  }

  func batchLabels(_ count: Int) throws -> Buffer<UInt32> {
    if let known = labels[count] { return known }
    let buffer = try Buffer<UInt32>(context: compute.queue.context, count: count)
    labels[count] = buffer
    return buffer
  }

  private func lossHistory() throws -> SumHistory {
    if let history { return history }
    let made = try SumHistory(
      capacity: Self.waitingCapacity(configuration, totalSteps), replicas: seeds.count,
      compute: compute)
    history = made
    return made
  }
}

/// After how many steps to wait for the device and look at the clock.
private struct ProgressPace {
  /// Often enough for a live display and Ctrl-C, rare enough that waiting costs nothing.
  private static let interval = Duration.milliseconds(200)
  /// Commands that wait take memory of the host: the most steps, where each has commands of its own.
  static let most = 256
  private var last = ContinuousClock.now
  private var lastStep: Int
  private(set) var nextStep: Int

  /// Time to look after the step that follows `step`.
  init(step: Int) {
    (lastStep, nextStep) = (step, step + 1)
  }

  /// Whether it is time after `step` steps.
  func isDue(step: Int) -> Bool { step >= nextStep }

  /// Sets the next time, when the device has done `step` steps.
  ///
  /// - most: steps until then.
  mutating func looked(step: Int, most: Int) {
    let now = ContinuousClock.now
    let elapsed = max(now - last, .microseconds(1))
    let steps = Int(Double(step - lastStep) * (Self.interval / elapsed))
    nextStep = step + min(most, max(1, steps))
    (last, lastStep) = (now, step)
  }
}
