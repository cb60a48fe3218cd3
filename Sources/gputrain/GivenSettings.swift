import Experiments
import Foundation
import Tensors
import Training

/// Settings that were given, later ones in place of earlier ones, and what is wrong with them.
struct GivenSettings {
  /// The values by name.
  private(set) var values: [String: JSONValue] = [:]
  /// The lines of those that a file gives.
  private var lines: [String: Int] = [:]
  /// Settings whose values are wrong.
  private var wrong: Set<String> = []
  private var mistakes: FileMistakes

  /// - path: of the file that gives some; for errors.
  init(file path: String = "") { mistakes = FileMistakes(path: path) }

  /// What a setting file gives.
  ///
  /// - Throws: `InvalidOption`, `FileMistakes` where it is no YAML.
  init(_ file: SettingFile) {
    mistakes = file.mistakes
    for (declaration, name, value, line) in file.values {
      lines[declaration.name] = line
      lines[name] = line
      do {
        values[declaration.name] = try declaration.value(value, givenAs: name)
      } catch {
        note(error.problems)
      }
    }
    wrong.formUnion(file.wrong)
  }

  /// Gives settings on the command line; what was given before of the same name, or of one that is
  /// given in its place, no longer counts.
  mutating func add(
    _ given: [String: JSONValue], of declarations: [SettingDeclaration] = Configuration.declarations
  ) {
    for (name, value) in given {
      values[name] = value
      lines[name] = nil
      let others = declarations.first { $0.name == name }?.alternatives ?? []
      for other in others where given[other] == nil { values[other] = nil }
    }
  }

  /// Those of a group's settings that were given, in place of its defaults.
  mutating func settings<Group: SettingGroup>(over defaults: Group) -> Group {
    let names = Set(Group.declarations.map(\.name))
    do {
      return try defaults.replacing(values.filter { names.contains($0.key) })
        .completed(given: Set(values.keys))
    } catch {
      for problem in error.problems { note(problem) }
      return defaults
    }
  }

  /// Notes a problem: by its line where a file gives the setting. Where a setting that it depends on
  /// is wrong itself, there is nothing to say.
  mutating func note(_ problem: SettingProblem) {
    guard wrong.isDisjoint(with: problem.involved) else { return }
    if let name = problem.name {
      if !problem.involved.isEmpty && wrong.contains(name) { return }
      wrong.insert(name)
    }
    if let name = problem.name, let line = lines[name] {
      mistakes.add(line: line, problem.description)
    } else {
      mistakes.add(option: problem)
    }
  }

  mutating func note(_ problems: [SettingProblem]) {
    for problem in problems { note(problem) }
  }

  /// - Throws: everything that was noted: `FileMistakes`, or `InvalidOption` where no file is at fault.
  func throwIfAny() throws { try mistakes.throwIfAny() }
}

/// What commands that train were asked for, apart from which runs.
struct TrainingRequest {
  var configuration: Configuration
  var execution: ExecutionSettings
  private(set) var computing: ComputeSettings
  /// Devices that share the host's memory, if they are CPUs.
  var deviceCount = 1
  /// What trains the run together with other ranks, and the device of this one where none was asked for.
  var dataParallel: DataParallel?
  var deviceOfRank: String?

  /// The request of what was given.
  ///
  /// - Throws: `FileMistakes`, `InvalidOption` of a file with parametrizations.
  init(_ given: inout GivenSettings, defaults: Configuration = Configuration()) throws {
    configuration = given.settings(over: defaults)
    execution = given.settings(over: ExecutionSettings())
    computing = given.settings(over: ComputeSettings())
    if configuration.task == .regression, configuration.network != .transformer,
      given.values["loss"] == nil
    {
      configuration.loss = .meanSquaredError
    }
    if configuration.isTied && given.values["zero-readout"] == .bool(true) {
      given.note(
        SettingProblem(
          "zero-readout", "is not for a readout that is tied to the embedding", involved: ["tied"]))
    }
    let files = execution.parametrizationFiles.map(\.path)
    configuration.parametrizations = try ParametrizationFile.read(
      files, after: configuration.parametrizations)
  }

  /// The request of a command line alone.
  ///
  /// - overrides: settings that the compared networks have other values of.
  /// - Throws: as `init(_:defaults:)`.
  init<Selection: SettingSelection, Execution: SettingSelection>(
    _ configuration: SettingOptions<Selection>, _ computing: ComputeOptions,
    _ execution: SettingOptions<Execution>, parametrizations: [String], optimizer: OptimizerKind,
    widths: [Int], overrides: [[String: JSONValue]] = [[:]]
  ) throws where Selection.Group == Configuration {
    var given = GivenSettings()
    given.add(configuration.given)
    given.add(computing.given)
    given.add(execution.given)
    try self.init(&given, defaults: Selection.defaults)
    try check(
      parametrizations: parametrizations, optimizers: [optimizer], widths: widths,
      overrides: overrides, &given)
  }

  /// Notes what makes no sense together, and names the kind of weight decay.
  ///
  /// - overrides: settings that runs have other values of, by the axes of a sweep.
  /// - Throws: everything that was noted.
  mutating func check(
    parametrizations: [String], optimizers: [OptimizerKind], widths: [Int],
    overrides: [[String: JSONValue]] = [[:]], _ given: inout GivenSettings
  ) throws {
    if configuration.data == nil && configuration.network != .transformer {
      let names = [
        configuration.task == .regression ? "task" : nil,
        configuration.label.isEmpty ? nil : "label",
      ].compactMap { $0 }
      given.note(
        names.map {
          SettingProblem($0, "is for --data; the built-in glyphs are classes", involved: ["data"])
        })
    }
    var known: Set<SettingProblem> = []
    for overrides in overrides {
      guard let own = try? configuration.replacing(overrides) else { continue }
      let problems = own.problems(
        parametrizations: parametrizations, optimizers: optimizers, widths: widths
      ).map { problem in
        // By the option that gave the value.
        guard let name = problem.name, overrides[name] != nil else { return problem }
        let option = SweepAxis(setting: given.values["scale"] ?? .null)?.name == name
        return SettingProblem(
          option ? "scale" : "tune", problem.description, involved: problem.involved)
      }
      given.note(problems.filter { known.insert($0).inserted })
    }
    try given.throwIfAny()
    // A store then says which it was, and an optimizer's own kind is the same as naming it.
    let decay = configuration.weightDecay.decay(for: optimizers[0])
    configuration.weightDecay = WeightDecayChoice(decay?.strength ?? 0, decay?.kind)
  }

  /// The device, its computation and the data, announced on standard error.
  ///
  /// - context: of the longest windows that are to be read of a text; nil: the settings'.
  func prepare(context: Int? = nil) throws -> (compute: Compute, data: TrainingData) {
    var computing = computing
    computing.device = computing.device ?? deviceOfRank
    let compute = try computing.compute()
    let prepared = try loadedData(context: context)
    announce(compute)
    announce(prepared)
    return (compute, prepared)
  }

  private func loadedData(context: Int?) throws -> TrainingData {
    try configuration.network == .transformer
      ? text(context: context ?? configuration.context) : rows()
  }

  private func announce(_ compute: Compute) {
    let device = compute.queue.device
    Terminal.note(
      "device: \(device.index) \(device.name) (\(device.kind.rawValue)), "
        + "matrix products by \(compute.backend.name)"
        + (compute.backend.precision == .fp32 ? "" : ", \(compute.backend.precision)")
        + (compute.productTuning.map { ", tuned \($0.day)" } ?? ""))
  }

  private func announce(_ prepared: TrainingData) {
    Terminal.note(
      "data: \(prepared.description.name), \(prepared.description.countsInWords), "
        + prepared.description.outputsInWords)
    for note in prepared.notes { Terminal.note("data: \(note)") }
  }

  /// Rows of numbers to learn from.
  ///
  /// - Throws: `DataError`.
  private func rows() throws -> TrainingData {
    if let path = configuration.data, LoadedTokens.recognizes(path: path) {
      throw DataError.unsupported(
        path: path, expected: "rows of numbers for network \(configuration.network.rawValue)",
        found: "a text or tokens, which --network transformer learns")
    }
    let reading = DataReading(task: configuration.task, label: configuration.label)
    let source =
      try configuration.data.map { try DataSet.load(path: $0, reading) }
      ?? LoadedData(train: .glyphs())
    return try TrainingData(
      source, validationFraction: configuration.validationFraction,
      normalization: configuration.normalization.normalization)
  }

  /// A text to learn from.
  ///
  /// - Throws: `DataError`.
  private func text(context: Int) throws -> TrainingData {
    let text =
      try configuration.data.map { try LoadedTokens.load(path: $0, configuration.tokens) }
      ?? .builtIn
    return try TrainingData(
      text, validationFraction: configuration.validationFraction, context: context)
  }

  /// What runs of this request share.
  ///
  /// - objective: that is asked for, if one is.
  /// - Throws: `InvalidOption` where data and settings do not fit.
  func experiment(
    _ data: TrainingData, _ compute: Compute, objective: Objective? = nil
  ) throws -> Experiment {
    let experiment = Experiment(configuration, Facts(data: data, compute: compute))
    var problems = experiment.problems
    if objective?.needsValidation == true && data.description.validationCount == 0 {
      problems.append(SettingProblem("objective", "the data has no validation rows"))
    }
    if !problems.isEmpty { throw InvalidOption(problems) }
    return experiment
  }

  /// How much device memory may be taken.
  func memoryPlan(_ compute: Compute) -> MemoryPlan {
    var plan = MemoryPlan(
      device: compute.queue.device, budget: execution.memory?.bytes, dataParallel: dataParallel)
    if execution.memory == nil && compute.queue.device.kind == .cpu && deviceCount > 1 {
      plan = MemoryPlan(
        device: compute.queue.device, budget: plan.budget / deviceCount, dataParallel: dataParallel)
    }
    let origin = execution.memory == nil ? "by default" : "by --memory"
    Terminal.detail("memory: \(plan.budget / (1 << 20)) MiB for runs, \(origin)")
    return plan
  }

  /// Says which tensors Muon updates, whose norms are held, and what `spectral-literal` does below the input
  /// size, where they are among the rules.
  func note(
    parametrizations: [String], optimizers: [OptimizerKind], widths: [Int],
    _ experiment: Experiment
  ) {
    for optimizer in optimizers {
      let width = widths.max() ?? 1
      for note in experiment.updateRuleNotes(optimizer, width: width) { Terminal.note(note) }
    }
    for note in optimizers.flatMap({
      experiment.constraintNotes($0, width: widths.max() ?? 1)
    }).uniqued() {
      Terminal.note(note)
    }
    let inputs = experiment.facts.data.inputs
    let below = widths.filter { configuration.hiddenWidths(width: $0)[0] < inputs }
    guard parametrizations.contains("spectral-literal"), let width = below.min() else { return }
    Terminal.note(
      "spectral-literal at width \(width), below the \(inputs) inputs: first-layer features start "
        + "small and grow with width, so rates need not carry over; spectral takes the limit there")
  }

  /// The sweep of `grid` with these settings, its data loaded and its store opened.
  ///
  /// - objective: the loss that is asked for. checkpointing: what is kept of a single run. store: where results go where `--out` does not say.
  func sweep(
    _ grid: SweepGrid, objective: Objective? = nil, checkpointing: RunCheckpointing? = nil,
    store: URL? = nil
  ) throws -> Sweep {
    let sharing = try execution.sharing(in: ProcessInfo.processInfo.environment)
    let contexts = grid.overrides.compactMap { $0["context"].flatMap { Int(setting: $0) } }
    let (compute, data) = try prepare(context: contexts.max())
    var experiment = try experiment(data, compute, objective: objective)
    let problems = grid.overrides.flatMap { overrides in
      (try? experiment.replacing(overrides))?.problems ?? []
    }
    if let problem = problems.first { throw InvalidOption([problem]) }
    note(
      parametrizations: grid.parametrizations, optimizers: grid.optimizers, widths: grid.widths,
      experiment)
    if grid.optimizers.contains(.adamw) && configuration.weightDecay.strength == 0
      && grid.tune?.name != "weight-decay"
    {
      Terminal.note("adamw without --weight-decay trains as adam")
    }
    if grid.optimizers.contains(where: configuration.leavesVectorsOutOfDecay) {
      Terminal.note("biases and gains do not decay; --decay-vectors has them decay too")
    }
    switch checkpointing?.start {
    case .weights(let weights): experiment.facts.initialWeights = weights.fingerprint
    case .checkpoint(let checkpoint, let path):
      experiment.facts.initialWeights = checkpoint.configuration.experiment.facts.initialWeights
      try checkpoint.check(
        against: RunConfiguration(experiment, grid.cells[0]), diagnosis: execution.diagnose,
        path: path)
      if checkpoint.device != compute.deviceDescription {
        Terminal.note(
          "the checkpoint is of another device, \(checkpoint.device): from here on numbers may "
            + "be rounded in other ways")
      }
    case .drawn, nil: break
    }
    let directory =
      execution.out.map { URL(fileURLWithPath: $0) } ?? store
      ?? directory(of: experiment, grid: grid)
    return try Sweep(
      experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
      memory: memoryPlan(compute), diagnosis: execution.diagnose, checkpointing: checkpointing,
      checkpointEvery: checkpointing == nil ? execution.checkpointEvery : nil,
      keepsBest: execution.keepBest ? objective ?? .trainLoss : nil,
      events: execution.tensorboard
        ? EventFolder(directory: directory.appendingPathComponent("tensorboard")) { Date() } : nil,
      sharing: sharing)
  }

  /// The sweep of `grid` with these settings, on the device asked for, or on each of several.
  ///
  /// - objective: the loss that is asked for.
  func team(_ grid: SweepGrid, objective: Objective) throws -> SweepTeam {
    guard computing.isForAllDevices else {
      return try SweepTeam(sweep(grid, objective: objective))
    }
    let devices = try computing.forEachDevice()
    var request = self
    (request.computing, request.deviceCount) = (devices[0], devices.count)
    let first = try request.sweep(grid, objective: objective)
    let others = try devices.dropFirst().map { settings in
      let compute = try settings.compute()
      announce(compute)
      let gemm = first.experiment.facts.gemm
      guard compute.backend.name == gemm else {
        throw InvalidOption(
          "--device all: device \(compute.queue.device.index) multiplies by \(compute.backend.name), the "
            + "first by \(gemm), and results would be mixed; --gemm chooses one")
      }
      return (compute: compute, memory: request.memoryPlan(compute))
    }
    return try SweepTeam(first, others: others)
  }

  /// Where results go where nothing is said: the newest sweep under runs/ of this experiment that is
  /// not done, else a new directory there.
  private func directory(of experiment: Experiment, grid: SweepGrid) -> URL {
    if let begun = RunStore.unfinished(under: RunDirectory.all, of: experiment, grid: grid) {
      Terminal.note("continuing \(begun.relativePath)")
      return begun
    }
    return RunDirectory.new(named: experiment.facts.data.name)
  }
}
