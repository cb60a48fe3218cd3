import Networks
import Spectral
import Tensors
import Training

/// The data a run learns from, as far as its numbers depend on it.
public struct DataDescription: Codable, Hashable, Sendable {
  /// The data set's name on the command line.
  public var name: String
  /// A hash of the examples, so that another version of the same name is another configuration.
  public var fingerprint: String
  /// Numbers per example (≥ 1).
  public var inputs: Int
  /// Number of classes, which is the number of the network's outputs (≥ 1).
  public var classes: Int
  /// Training examples.
  public var trainCount: Int
  /// Validation examples; 0 where there is no validation set.
  public var validationCount: Int
  /// How raw values became inputs, in words.
  public var normalization: String

  /// Describes a data set by all that a run's numbers depend on.
  public init(
    name: String, fingerprint: String, inputs: Int, classes: Int, trainCount: Int,
    validationCount: Int, normalization: String
  ) {
    precondition(inputs >= 1 && classes >= 1, "data needs ≥ 1 input and class")
    self.name = name
    self.fingerprint = fingerprint
    self.inputs = inputs
    self.classes = classes
    self.trainCount = trainCount
    self.validationCount = validationCount
    self.normalization = normalization
  }
}

/// How long a run trains; in JSON `{"epochs": 3}` or `{"steps": 500}`.
public enum TrainingLength: Codable, Hashable, Sendable {
  /// Passes over the training examples.
  case epochs(Int)
  /// Updates, whatever the size of the data.
  case steps(Int)

  private enum CodingKeys: String, CodingKey {
    case epochs, steps
  }

  /// Reads an object with exactly one of the keys `epochs` and `steps`.
  ///
  /// - Throws: `DecodingError.dataCorrupted` where both or neither are there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let epochs = try container.decodeIfPresent(Int.self, forKey: .epochs)
    let steps = try container.decodeIfPresent(Int.self, forKey: .steps)
    switch (epochs, steps) {
    case (let count?, nil): self = .epochs(count)
    case (nil, let count?): self = .steps(count)
    default:
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "training length: expected one of epochs and steps"))
    }
  }

  /// Writes an object with the one key that holds.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .epochs(let count): try container.encode(count, forKey: .epochs)
    case .steps(let count): try container.encode(count, forKey: .steps)
    }
  }
}

/// What sets a residual perceptron apart from a plain one.
public struct ResidualSettings: Codable, Hashable, Sendable {
  /// A block's inner columns, as a multiple of the stream's; ≥ 1.
  public var expansion: Int
  /// What normalises a block's input and the stream's end; nil: nothing.
  public var normalization: RowNormalization.Kind?
  /// What a block's result is multiplied by at the base depth.
  public var branchMultiplier: Double
  /// The number of blocks at which that is the factor; ≥ 1.
  public var baseDepth: Int
  /// α: the factor is multiplied by (depth/base depth)^−α.
  public var depthExponent: Double

  /// The values given.
  public init(
    expansion: Int = 1, normalization: RowNormalization.Kind? = .rms, branchMultiplier: Double = 1,
    baseDepth: Int = 1, depthExponent: Double = 0.5
  ) {
    precondition(expansion >= 1 && baseDepth >= 1, "sizes below 1")
    (self.expansion, self.normalization) = (expansion, normalization)
    (self.branchMultiplier, self.baseDepth) = (branchMultiplier, baseDepth)
    self.depthExponent = depthExponent
  }
}

/// What all runs of a sweep share; a store holds runs of one such value.
public struct RunSettings: Codable, Hashable, Sendable {
  /// What is learned.
  public var data: DataDescription
  /// Number of hidden layers, of a residual network of blocks (≥ 1).
  public var depth: Int
  /// nil: a plain perceptron.
  public var residual: ResidualSettings?
  /// Hidden layer l (from 0) has width hiddenPattern[l mod count]·width; entries ≥ 1.
  public var hiddenPattern: [Int]
  /// Whether layers add a bias.
  public var bias: Bool
  /// The nonlinearity after each hidden layer.
  public var activation: Activation
  /// What training minimises.
  public var loss: LossFunction
  /// How long each run trains.
  public var length: TrainingLength
  /// Examples per update (≥ 1).
  public var batchSize: Int
  /// The width at which every parametrization equals the standard one; nil: absolute rules.
  public var baseWidth: Int?
  /// Parametrizations beside the built-in ones; nil where there are none.
  public var parametrizations: [CustomParametrization]?
  /// Learning-rate rules of single tensors; nil where there are none.
  public var rateRules: [RateRule]?
  /// Factors on the learning rates of single tensors; nil where there are none.
  public var rateMultipliers: [RateMultiplier]?
  /// a: the first layer's weight starts 1/√a as large, its product is multiplied by √a.
  public var inputMultiplier: Double
  /// Multiplies the logits.
  public var outputMultiplier: Double
  /// Whether the readout starts at zero.
  public var zeroReadout: Bool
  /// Whether weights start at the spectral norm that their σ implies; nil: as they are drawn.
  public var spectralInit: Bool?
  /// Hash of the weights that runs start from; nil: they are drawn.
  public var initialWeights: String?
  /// The learning rate over training.
  public var schedule: Schedule
  /// Strength and kind of weight decay; nil: none.
  public var weightDecay: WeightDecay?
  /// Name of the matrix-multiplication backend in use, as resolved (never "auto").
  public var matrixMultiplication: String
  /// What matrix products round their operands to; nil: to nothing, `fp32`.
  public var precision: ProductPrecision?

  /// Settings with plain defaults: one-to-one pattern, no multipliers, constant rate, no decay.
  public init(
    data: DataDescription, depth: Int, residual: ResidualSettings? = nil,
    hiddenPattern: [Int] = [1], bias: Bool = false,
    activation: Activation = .relu, loss: LossFunction = .crossEntropy, length: TrainingLength,
    batchSize: Int, baseWidth: Int? = nil, parametrizations: [CustomParametrization] = [],
    rateRules: [RateRule] = [], rateMultipliers: [RateMultiplier] = [],
    inputMultiplier: Double = 1, outputMultiplier: Double = 1, zeroReadout: Bool = false,
    spectralInit: Bool = false,
    schedule: Schedule = Schedule(), weightDecay: WeightDecay? = nil, matrixMultiplication: String,
    precision: ProductPrecision = .fp32
  ) {
    precondition(depth >= 1, "depth must be ≥ 1, got \(depth)")
    precondition(
      !hiddenPattern.isEmpty && hiddenPattern.allSatisfy { $0 >= 1 },
      "hidden pattern must hold integers ≥ 1, got \(hiddenPattern)")
    precondition(batchSize >= 1, "batch size must be ≥ 1, got \(batchSize)")
    precondition(
      inputMultiplier.isFinite && outputMultiplier.isFinite, "multipliers must be finite")
    self.data = data
    self.depth = depth
    self.residual = residual
    self.hiddenPattern = hiddenPattern
    self.bias = bias
    self.activation = activation
    self.loss = loss
    self.length = length
    self.batchSize = batchSize
    self.baseWidth = baseWidth
    self.parametrizations = parametrizations.isEmpty ? nil : parametrizations
    self.rateRules = rateRules.isEmpty ? nil : rateRules
    self.rateMultipliers = rateMultipliers.isEmpty ? nil : rateMultipliers
    self.inputMultiplier = inputMultiplier
    self.outputMultiplier = outputMultiplier
    self.zeroReadout = zeroReadout
    self.spectralInit = spectralInit ? true : nil
    self.schedule = schedule
    self.weightDecay = weightDecay
    self.matrixMultiplication = matrixMultiplication
    self.precision = precision == .fp32 ? nil : precision
  }

  /// The parametrization of this name, one's own or built in.
  ///
  /// - Throws: `UnknownParametrizationError`.
  public func parametrization(
    named name: String
  ) throws(UnknownParametrizationError) -> any Parametrization {
    try Parametrizations.named(name, or: parametrizations ?? [])
  }

  /// Whether steps and epochs of such a run can be counted, which settings from a file may not let.
  var isCountable: Bool {
    let count =
      switch length {
      case .epochs(let count), .steps(let count): count
      }
    let bound = 1 << 31
    return [batchSize, data.trainCount, count].allSatisfy { (1..<bound).contains($0) }
  }

  /// The network called `width`.
  public func network(width: Int) -> any Architecture {
    if let residual {
      return ResidualMLP(
        inputs: data.inputs, width: width, depth: depth, outputs: data.classes,
        expansion: residual.expansion, normalization: residual.normalization, bias: bias,
        activation: activation, branchMultiplier: residual.branchMultiplier,
        baseDepth: residual.baseDepth, depthExponent: residual.depthExponent,
        inputMultiplier: inputMultiplier, outputMultiplier: outputMultiplier,
        zeroReadout: zeroReadout)
    }
    return MLP(
      inputs: data.inputs, hidden: hiddenWidths(width: width), outputs: data.classes, bias: bias,
      activation: activation, inputMultiplier: inputMultiplier,
      outputMultiplier: outputMultiplier, zeroReadout: zeroReadout)
  }

  /// The network's hidden part in a few words: "4 hidden layers".
  var blocksInWords: String {
    residual == nil
      ? ReportParts.count(depth, "hidden layer") : ReportParts.count(depth, "residual block")
  }

  /// The same with what its width and blocks are.
  var networkInWords: String {
    guard let residual else {
      let pattern = hiddenPattern.map(String.init).joined(separator: ":")
      return "\(blocksInWords) of the width" + (pattern == "1" ? "" : " times \(pattern)")
    }
    let inner = residual.expansion == 1 ? "" : ", \(residual.expansion) times as wide inside"
    let norm = residual.normalization.map { "\($0.rawValue) norm" } ?? "no normalisation"
    return "\(blocksInWords) of the width\(inner), \(norm), branches times "
      + "\(residual.branchMultiplier) · (depth/\(residual.baseDepth))^−\(residual.depthExponent)"
  }

  /// The paths of the network's matrices, in order: those that are measured and checked.
  public var layerNames: [String] {
    let graph = network(width: baseWidth ?? 1).graph
    return graph.linearNodes.map { graph[$0].name }
  }

  /// Widths of the hidden layers of the network called `width`, first to last.
  ///
  ///     n_l = hiddenPattern[l mod count]·width,  l = 0 … depth − 1
  public func hiddenWidths(width: Int) -> [Int] {
    (0..<depth).map { hiddenPattern[$0 % hiddenPattern.count] * width }
  }
}
