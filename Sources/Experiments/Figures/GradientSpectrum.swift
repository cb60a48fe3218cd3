import Spectral
import Tensors
import Training

/// Updates are of low rank also at large batches: singular values of a hidden layer's gradient at
/// the start, for growing batches, beside those of the layer itself.
///
/// After the figure in arXiv:2310.17813; the settings are ours.
public struct GradientSpectrum: Codable, Sendable {
  /// Singular values of one matrix.
  public struct Spectrum: Codable, Sendable {
    /// Rows of the batch, of a text sequences; nil for the weight itself.
    public let batchSize: Int?
    /// Largest first.
    public let singularValues: [Double]

    /// ‖·‖_F²/‖·‖_*²; 0 for the zero matrix.
    public var stableRank: Double {
      guard let largest = singularValues.first, largest > 0 else { return 0 }
      return singularValues.reduce(0) { $0 + $1 * $1 } / (largest * largest)
    }
  }

  /// The layer's path; nil: the second layer of a network of layers.
  public let layer: String?
  /// Tokens of a row; nil: rows have none.
  public let tokensPerRow: Int?
  /// [fanOut, fanIn] of the layer.
  public let shape: [Int]
  /// The weight's spectrum, then the gradients' by batch size.
  public let spectra: [Spectrum]

  private enum CodingKeys: String, CodingKey { case layer, tokensPerRow, shape, spectra }

  /// Reads spectra.
  ///
  /// - Throws: `DecodingError`, also for sizes that no matrix or batch has.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    layer = try container.decodeIfPresent(String.self, forKey: .layer)
    tokensPerRow = try container.decodeIfPresent(Int.self, forKey: .tokensPerRow)
    shape = try container.decode([Int].self, forKey: .shape)
    spectra = try container.decode([Spectrum].self, forKey: .spectra)
    try decoder.require(
      (shape + spectra.compactMap(\.batchSize) + [tokensPerRow].compactMap(\.self)).allSatisfy {
        (1...DataDescription.countBound).contains($0)
      }, "sizes of matrices, batches and rows from 1")
  }

  /// Spectra of the second layer's weight and gradient in a network of `width`; of a Transformer those of
  /// the first matrix of the middle block's perceptron.
  ///
  /// - settings: of at least two hidden layers, of a Transformer any number of blocks, and a readout and
  ///   projections that do not start at zero, else the layer has no gradient.
  /// - batchSizes: those above the number of training rows are left out.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public init(
    experiment: Experiment, parametrization: String, optimizer: OptimizerKind, width: Int,
    seed: UInt64 = 1, batchSizes: [Int], data: TrainingData, compute: Compute
  ) throws {
    let settings = experiment.settings
    let isText = settings.network == .transformer
    precondition(
      (isText || settings.depth >= 2) && !settings.zeroReadout && !settings.zeroProjections,
      "needs a hidden layer that has a gradient")
    let group = RunGroup(
      experiment: experiment,
      cells: [
        RunCell(
          parametrization: parametrization, optimizer: optimizer, width: width,
          log2LearningRate: 0, seed: seed)
      ])
    let trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: 1, compute: compute)
    let (train, _) = try data.upload(to: compute, context: settings.context)
    let graph = trainer.network.graph
    layer = isText ? "\(settings.middleBlock).mlp.up" : nil
    tokensPerRow = isText ? settings.context : nil
    let hidden = graph.linearNodes.filter { [layer] in layer == nil || graph[$0].name == layer }
      .compactMap { graph[$0].parameters.first }
      .first { graph.parameters[$0].shape.role == .hidden }
    guard let weight = hidden.map({ trainer.network.parameters[$0] })
    else {
      preconditionFailure("a network of \(settings.depth) layers has a second one")
    }
    func spectrum(_ tensor: Tensor, _ batchSize: Int?) throws -> Spectrum {
      Spectrum(
        batchSize: batchSize,
        singularValues: try SingularValues.all(of: [tensor], compute: compute)[0][0])
    }
    shape = [weight.shape.fanOut, weight.shape.fanIn]
    spectra =
      try [spectrum(weight.value, nil)]
      + batchSizes.sorted().filter { $0 <= train.count }.map {
        try spectrum(trainer.gradient(of: weight, on: train, count: $0), $0)
      }
    try compute.releaseUnusedMemory()
  }

  /// A line an index of each spectrum; values are divided by the largest.
  var spectrumCSV: String {
    let lines = spectra.flatMap { spectrum in
      let name = spectrum.batchSize.map(String.init) ?? "weight"
      let largest = spectrum.singularValues.first ?? 0
      return spectrum.singularValues.enumerated().map {
        "\(name),\($0.offset + 1),\(largest > 0 ? $0.element / largest : 0)"
      }
    }
    return (["matrix,index,relative_singular_value"] + lines).map { $0 + "\n" }.joined()
  }

  /// What the rank of a batch's gradient cannot exceed: its rows or tokens, and the matrix's extents.
  func rankBound(batchSize: Int) -> Int {
    min(batchSize * (tokensPerRow ?? 1), shape.min() ?? 0)
  }

  /// "the second layer", or the layer's path.
  var layerInWords: String { layer ?? "the second layer" }

  /// A line a batch size.
  var stableRankCSV: String {
    let lines = spectra.compactMap { spectrum in
      spectrum.batchSize.map { "\($0),\(spectrum.stableRank),\(rankBound(batchSize: $0))" }
    }
    return (["batch_size,stable_rank,rank_bound"] + lines).map { $0 + "\n" }.joined()
  }
}
