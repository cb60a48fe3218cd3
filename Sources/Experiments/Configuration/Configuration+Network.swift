import Networks
import Spectral
import Tensors
import Training

/// How long a run trains.
public enum TrainingLength: Hashable, Sendable {
  /// Passes over the training examples.
  case epochs(Int)
  /// Updates, whatever the size of the data.
  case steps(Int)
}

extension Configuration {
  /// Settings of runs that are trained for what comes out at their end; others are measured on the way.
  public static let ofWholeRuns: Set = [
    "epochs", "schedule", "weight-decay", "decay-vectors", "clip-norm", "evaluate-every",
    "evaluate-batches", "evaluate-train",
  ]

  /// How long a run trains.
  public var length: TrainingLength {
    get { epochs.map(TrainingLength.epochs) ?? .steps(steps ?? 1) }
    set {
      switch newValue {
      case .epochs(let count): (epochs, steps) = (count, nil)
      case .steps(let count): (epochs, steps) = (nil, count)
      }
    }
  }

  /// The parametrization of this name, custom or built in.
  ///
  /// - Throws: `UnknownParametrizationError`.
  public func parametrization(
    named name: String
  ) throws(UnknownParametrizationError) -> any Parametrization {
    try Parametrizations.named(name, or: parametrizations)
  }

  /// The same settings with a Transformer's own defaults: two blocks, from which depth rules count, 16 sequences a
  /// step, base width 64, gelu, perceptrons four times as wide inside.
  ///
  ///     let transformer = Configuration { $0.network = .transformer }.completed(given: [])
  public func completed(given: Set<String>) -> Configuration {
    guard network == .transformer else { return self }
    var completed = self
    if !given.contains("depth") { completed.depth = 2 }
    if !given.contains("batch-size") { completed.batchSize = 16 }
    if !given.contains("base-width") { completed.baseWidth = 64 }
    if !given.contains("base-depth") { completed.baseDepth = 2 }
    if !given.contains("expansion") { completed.expansion = 4 }
    if !given.contains("activation") { completed.activation = .gelu }
    return completed
  }

  /// Of a Transformer: how heads share the width.
  public var headLayout: Transformer.Heads {
    heads.map { .count($0) } ?? .size(headSize ?? 1)
  }

  /// What widths are multiples of.
  public var widthUnit: Int {
    guard network == .transformer else { return 1 }
    return switch headLayout {
    case .size(let size): size
    case .count(let count): positions == .rotary ? 2 * count : count
    }
  }

  /// The network called `width`.
  public func network(width: Int, inputs: Int, outputs: Int) -> any Architecture {
    switch network {
    case .mlp:
      MLP(
        inputs: inputs, hidden: hiddenWidths(width: width), outputs: outputs, bias: bias,
        activation: activation, inputMultiplier: inputMultiplier,
        outputMultiplier: outputMultiplier, zeroReadout: zeroReadout)
    case .residualMLP:
      ResidualMLP(
        inputs: inputs, width: width, depth: depth, outputs: outputs,
        expansion: expansion,
        normalization: norm.kind, bias: bias, activation: activation,
        branchMultiplier: branchMultiplier, depthRule: depthRule, baseDepth: baseDepth,
        inputMultiplier: inputMultiplier, outputMultiplier: outputMultiplier,
        zeroReadout: zeroReadout)
    case .transformer: transformer(width: width, vocabulary: outputs)
    }
  }

  /// What trains the network of a width.
  package func training(
    _ optimizer: OptimizerKind, width: Int, inputs: Int, outputs: Int, totalSteps: Int
  ) -> TrainingConfiguration {
    func network(_ width: Int) -> any Architecture {
      self.network(width: width, inputs: inputs, outputs: outputs)
    }
    return TrainingConfiguration(
      network: network(width), baseNetwork: absolute ? nil : network(baseWidth),
      weightInit: weightInit, parametrizations: parametrizations,
      ownBaseNetworks: Dictionary(
        parametrizations.compactMap { own in own.baseWidth.map { (own.name, network($0)) } },
        uniquingKeysWith: { first, _ in first }),
      rateRules: rateRules, depthRateRules: depthRateRules,
      initialMultipliers: initialMultipliers, loss: loss,
      optimization: optimization(optimizer, totalSteps: totalSteps), batchSize: batchSize,
      microBatch: microBatch)
  }

  private func transformer(width: Int, vocabulary: Int) -> Transformer {
    var network = Transformer(
      vocabulary: vocabulary, width: width, depth: depth, heads: headLayout, context: context)
    (network.positions, network.normalization) = (positions, norm.kind)
    (network.normalizesQueries, network.attentionScale) = (normalizesQueries, attentionScale)
    (network.activation, network.isGated) = (activation, isGated)
    (network.expansion, network.bias, network.isTied) = (expansion, bias, isTied)
    network.attentionMultiplier = attentionMultiplier
    (network.branchMultiplier, network.depthRule) = (branchMultiplier, depthRule)
    network.baseDepth = baseDepth
    (network.inputMultiplier, network.outputMultiplier) = (inputMultiplier, outputMultiplier)
    network.zeroReadout = zeroReadout && !isTied
    (network.zeroQueries, network.zeroProjections) = (zeroQueries, zeroProjections)
    return network
  }

  /// Widths of a perceptron's hidden layers, first to last, where it is called `width`.
  ///
  ///     n_l = hiddenPattern[l mod count]·width,  l = 0 … depth − 1
  public func hiddenWidths(width: Int) -> [Int] {
    let factors = hiddenPattern.factors
    return (0..<depth).map { factors[$0 % factors.count] * width }
  }

  /// The network of the least sizes, whose parameters have the paths and roles of all.
  var smallestGraph: NetworkGraph { network(width: widthUnit, inputs: 1, outputs: 1).graph }

  /// The paths of the network's matrices and tables, in order: those that are measured and checked. They depend
  /// neither on the data nor on the width.
  public var layerNames: [String] {
    let graph = smallestGraph
    return graph.weightedNodes.map { graph[$0].name }
  }

  /// Those, and the paths of attention, whose logits are observed.
  var observedNames: [String] {
    let graph = smallestGraph
    return graph.observedNodes.map { graph[$0].name }
  }

  /// The path of a Transformer's block in the middle, which figures show.
  var middleBlock: String { "blocks.\(depth / 2)" }

  // MARK: In words

  /// The network's hidden part in a few words: "4 hidden layers".
  var blocksInWords: String {
    switch network {
    case .mlp: ReportParts.count(depth, "hidden layer")
    case .residualMLP: ReportParts.count(depth, "residual block")
    case .transformer: ReportParts.count(depth, "Transformer block")
    }
  }

  /// φ in words: "relu", "silu, gated".
  var activationInWords: String { activation.rawValue + (isGated ? ", gated" : "") }

  /// "64 rows", "16 sequences of 64 tokens".
  var batchInWords: String {
    network == .transformer
      ? "\(ReportParts.count(batchSize, "sequence")) of \(ReportParts.count(context, "token"))"
      : "\(batchSize) rows"
  }

  /// The same with what its width and blocks are.
  public var networkInWords: String {
    guard network != .mlp else {
      let pattern = hiddenPattern.setting.optionText
      return "\(blocksInWords) of the width" + (pattern == "1" ? "" : " times \(pattern)")
    }
    let inner =
      expansion == 1 ? "" : ", \(expansion) times as wide inside"
    let norm = norm == .none ? "no normalisation" : "\(norm.rawValue) norm"
    let multiplier = branchMultiplier == 1 ? "" : ", blocks times \(branchMultiplier)"
    let base = depthRule == .none ? "" : " from depth \(baseDepth)"
    return "\(blocksInWords) of the width\(inner), \(headsInWords)\(norm)\(multiplier), depth rule "
      + "\(depthRule.rawValue)\(base)"
  }

  /// "heads of 16, learned positions, "; of other networks nothing.
  private var headsInWords: String {
    guard network == .transformer else { return "" }
    let heads = self.heads.map { ReportParts.count($0, "head") } ?? "heads of \(headSize ?? 1)"
    let positions = positions == .none ? "no" : positions.rawValue
    return "\(heads), \(positions) positions, " + (isTied ? "tied readout, " : "")
  }
}
