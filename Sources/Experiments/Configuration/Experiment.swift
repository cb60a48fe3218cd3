import Networks
import Synchronization
import Tensors
import Training

/// The data a run learns from, as far as its numbers depend on it.
public struct DataDescription: Codable, Hashable, Sendable {
  /// The data set's name on the command line.
  public var name: String
  /// A hash of the examples, so that another version of the same name is another experiment.
  public var fingerprint: String
  /// Numbers per example (≥ 1).
  public var inputs: Int
  /// Number of classes, each an output of the network (≥ 1); nil where numbers are learned.
  public var classes: Int?
  /// Names of the numbers that are learned, each an output; nil where classes are.
  public var targets: [String]?
  /// What a text's tokens stand for, each an output; nil where the data are rows of numbers.
  public var vocabulary: Vocabulary?
  /// Mean bytes that a validation token stands for, where that is known.
  public var bytesPerToken: Double?
  /// Training examples, of a text its tokens.
  public var trainCount: Int
  /// Validation examples, of a text its tokens; 0 where there is no validation set.
  public var validationCount: Int
  /// How raw values, or a text, became inputs, in words.
  public var normalization: String

  /// What a network's outputs are.
  public enum Outputs: Hashable, Sendable {
    /// One for each of so many classes.
    case classes(Int)
    /// One for each number that is learned.
    case targets([String])
    /// One for each token of a vocabulary, with the mean bytes of one where they are known.
    case tokens(Vocabulary, bytesPerToken: Double?)

    init(_ data: DataSet) {
      switch data.targets {
      case .classes(_, let classes): self = .classes(classes)
      case .values(_, let names): self = .targets(names)
      }
    }
  }

  /// Describes a data set by all that a run's numbers depend on.
  public init(
    name: String, fingerprint: String, inputs: Int, outputs: Outputs, trainCount: Int,
    validationCount: Int, normalization: String
  ) {
    self.name = name
    self.fingerprint = fingerprint
    self.inputs = inputs
    switch outputs {
    case .classes(let count): classes = count
    case .targets(let names): targets = names
    case .tokens(let tokens, let bytes): (vocabulary, bytesPerToken) = (tokens, bytes)
    }
    self.trainCount = trainCount
    self.validationCount = validationCount
    self.normalization = normalization
    precondition(inputs >= 1 && self.outputs >= 1, "data needs ≥ 1 input and output")
  }

  private enum CodingKeys: String, CodingKey {
    case name, fingerprint, inputs, classes, targets, vocabulary, bytesPerToken, trainCount
    case validationCount, normalization
  }

  /// Reads a description.
  ///
  /// - Throws: `DecodingError`, also for counts that no data have.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    fingerprint = try container.decode(String.self, forKey: .fingerprint)
    inputs = try container.decode(Int.self, forKey: .inputs)
    classes = try container.decodeIfPresent(Int.self, forKey: .classes)
    targets = try container.decodeIfPresent([String].self, forKey: .targets)
    vocabulary = try container.decodeIfPresent(Vocabulary.self, forKey: .vocabulary)
    bytesPerToken = try container.decodeIfPresent(Double.self, forKey: .bytesPerToken)
    trainCount = try container.decode(Int.self, forKey: .trainCount)
    validationCount = try container.decode(Int.self, forKey: .validationCount)
    normalization = try container.decode(String.self, forKey: .normalization)
    try decoder.require(
      (1...Limits.size).contains(inputs) && (1...Limits.size).contains(classes ?? 1)
        && [trainCount, validationCount].allSatisfy((0..<Self.countBound).contains),
      "numbers of inputs, classes and examples that data can have")
  }

  /// Examples are fewer, for steps and rows to be counted.
  static let countBound = 1 << 31

  /// Outputs of the network.
  public var outputs: Int { max(1, vocabulary?.count ?? classes ?? targets?.count ?? 1) }

  /// "10 classes", "target price", "3 targets", "65 tokens".
  public var outputsInWords: String {
    if let vocabulary { return ReportParts.count(vocabulary.count, "token") }
    guard let targets else { return "\(outputs) classes" }
    return targets.count == 1 ? "target \(targets[0])" : "\(targets.count) targets"
  }
}

extension DataDescription {
  /// Whether the data are a text, whose tokens are learned one after another.
  public var isText: Bool { vocabulary != nil }

  /// "900 rows of 64 numbers", "1003854 tokens".
  public var trainInWords: String {
    isText
      ? ReportParts.count(trainCount, "token") : "\(trainCount) rows of \(inputs) numbers"
  }

  /// "900 training and 100 validation rows of 64 inputs", "1003854 training and 111540 validation tokens".
  public var countsInWords: String {
    "\(trainCount) training and \(validationCount) validation "
      + (isText ? "tokens" : "rows of \(inputs) inputs")
  }
}

/// What a run's numbers depend on beside its settings: what was found of the data, the device and
/// the initial weights.
public struct Facts: Codable, Hashable, Sendable {
  /// What is learned.
  public var data: DataDescription
  /// Name of the GEMM backend in use, as resolved (never "auto").
  public var gemm: String
  /// What matrix products round their operands to.
  public var precision: ProductPrecision
  /// Hash of the weights that runs start from; nil: they are drawn.
  public var initialWeights: String?

  private enum CodingKeys: String, CodingKey {
    case data, gemm, precision
    case initialWeights = "initial-weights"
  }

  /// Facts; by default products round nothing and weights are drawn.
  public init(
    data: DataDescription, gemm: String, precision: ProductPrecision = .fp32,
    initialWeights: String? = nil
  ) {
    (self.data, self.gemm, self.precision) = (data, gemm, precision)
    self.initialWeights = initialWeights
  }

  /// The facts of `data` on `compute`, weights drawn.
  public init(data: TrainingData, compute: Compute) {
    self.init(
      data: data.description, gemm: compute.backend.name,
      precision: compute.backend.precision)
  }
}

/// What all runs of a sweep share: the settings, and the facts that they met with.
///
///     let experiment = Experiment(
///       Configuration { $0.depth = 2 }, Facts(data: data, compute: compute))
///
/// A store holds runs of one such value, thousands of them: copies share their content.
public struct Experiment: Codable, Hashable, Sendable {
  private final class Content: Sendable {
    let settings: Configuration
    let facts: Facts
    let texts = Mutex<ExperimentTexts?>(nil)

    init(_ settings: Configuration, _ facts: Facts) {
      (self.settings, self.facts) = (settings, facts)
    }
  }

  private var content: Content

  /// What users set; without the place of the data and the label's column, of which the facts say all.
  public var settings: Configuration {
    get { content.settings }
    set { content = Content(newValue, content.facts) }
  }

  /// What was found.
  public var facts: Facts {
    get { content.facts }
    set { content = Content(content.settings, newValue) }
  }

  /// An experiment of these settings and facts.
  public init(_ settings: Configuration, _ facts: Facts) {
    var settings = settings
    (settings.data, settings.label) = (nil, [])
    content = Content(settings, facts)
  }

  private enum CodingKeys: String, CodingKey {
    case settings, facts
  }

  /// Reads settings and facts.
  ///
  /// - Throws: `DecodingError`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    content = Content(
      try container.decode(Configuration.self, forKey: .settings),
      try container.decode(Facts.self, forKey: .facts))
  }

  /// Writes settings and facts.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(settings, forKey: .settings)
    try container.encode(facts, forKey: .facts)
  }

  /// Whether settings and facts are equal.
  public static func == (left: Self, right: Self) -> Bool {
    left.content === right.content
      || left.facts == right.facts && left.settings == right.settings
  }

  /// Hashes settings and facts.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(settings)
    hasher.combine(facts)
  }

  /// What the JSON of its runs has in common, made when it is first asked for.
  var texts: ExperimentTexts {
    content.texts.withLock { texts in
      if let texts { return texts }
      let made = ExperimentTexts(self)
      texts = made
      return made
    }
  }

  /// The experiment of runs that have other values of some settings, as `RunCell.overrides` says.
  ///
  /// - Throws: everything that is wrong with the values.
  public func replacing(_ overrides: [String: JSONValue]) throws(SettingProblems) -> Experiment {
    overrides.isEmpty ? self : Experiment(try settings.replacing(overrides), facts)
  }

  /// The same for overrides that were checked.
  func overridden(by overrides: [String: JSONValue]) -> Experiment {
    do {
      return try replacing(overrides)
    } catch {
      preconditionFailure("overrides \(overrides): \(error)")
    }
  }

  /// The network called `width`.
  public func network(width: Int) -> any Architecture {
    settings.network(width: width, inputs: facts.data.inputs, outputs: facts.data.outputs)
  }

  /// What trains the network of a width.
  package func training(_ optimizer: OptimizerKind, width: Int) -> TrainingConfiguration {
    settings.training(
      optimizer, width: width, inputs: facts.data.inputs, outputs: facts.data.outputs,
      totalSteps: totalSteps)
  }

  /// Labels of a row: 1, of a text the context.
  public var labelsPerRow: Int { !facts.data.isText ? 1 : settings.context }

  /// Training rows of a pass: of a text, windows of the context.
  public var trainRows: Int {
    guard facts.data.isText else { return facts.data.trainCount }
    return windows(of: facts.data.trainCount, isShifted: true)
  }

  /// Validation rows.
  var validationRows: Int {
    guard facts.data.isText else { return facts.data.validationCount }
    return windows(of: facts.data.validationCount, isShifted: false)
  }

  private func windows(of tokens: Int, isShifted: Bool) -> Int {
    tokens <= settings.context
      ? 0 : TokenWindows(tokens: tokens, context: settings.context, isShifted: isShifted).count
  }

  /// Steps of one pass over the training rows; the last may be short.
  public var stepsPerEpoch: Int {
    (trainRows + settings.batchSize - 1) / settings.batchSize
  }

  /// Steps of a whole run.
  public var totalSteps: Int {
    switch settings.length {
    case .epochs(let count): count * stepsPerEpoch
    case .steps(let count): count
    }
  }

  private var rowsInWords: String {
    !facts.data.isText ? "rows" : "windows of \(settings.context) tokens"
  }

  /// What the settings cannot be with these facts.
  public var problems: [SettingProblem] {
    var problems: [SettingProblem] = []
    let rows = trainRows
    if facts.data.isText && facts.data.trainCount <= settings.context {
      problems.append(
        SettingProblem(
          "context",
          "expected less than the \(facts.data.trainCount) training tokens, got \(settings.context)"
        ))
    } else if facts.data.isText, (1...settings.context).contains(facts.data.validationCount) {
      problems.append(
        SettingProblem(
          "context",
          "expected less than the \(facts.data.validationCount) validation tokens, got "
            + "\(settings.context)", involved: ["validation-fraction"]))
    } else if settings.batchSize > rows {
      problems.append(
        SettingProblem(
          "batch-size",
          "expected at most the \(rows) training \(rowsInWords), got \(settings.batchSize)"))
    }
    problems += settings.warmupProblems(of: totalSteps)
    return problems
  }

  /// Every setting and fact that has a value, by the setting's name or the fact's path.
  var leaves: [String: JSONValue] {
    let facts = (try? JSONValue(of: facts).leaves) ?? [:]
    return settings.record.merging(facts) { settings, _ in settings }
  }

  /// Whether steps and epochs can be counted, which values from a file may not let.
  var isCountable: Bool {
    let count =
      switch settings.length {
      case .epochs(let count), .steps(let count): count
      }
    return [settings.batchSize, settings.context, facts.data.trainCount, count].allSatisfy {
      (1..<DataDescription.countBound).contains($0)
    }
  }
}
