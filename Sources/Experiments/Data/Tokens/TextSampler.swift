import Foundation
import OpenCL
import Spectral
import Tensors
import Training

/// Continues a text, token by token, with what a trained Transformer gives.
///
///     let sampler = try TextSampler(path: "runs/tales/w.safetensors", compute: compute)
///     let text = try sampler.text(after: "Once", tokens: 200, TextSampler.Choice())
public struct TextSampler {
  /// How the next token is drawn from the network's logits.
  public struct Choice: Hashable, Sendable {
    /// What logits are divided by; 0 takes the greatest.
    public var temperature = 1.0
    /// How many of the greatest logits may be drawn; nil: all.
    public var topK: Int?
    /// Decides the draws.
    public var seed: UInt64 = 1

    /// Draws in proportion to the network's probabilities by default.
    public init() {}
  }

  /// What tokens stand for.
  public let vocabulary: Vocabulary
  /// Tokens that the network sees at once.
  public let context: Int
  private let trainer: Trainer
  private let compute: Compute

  /// The network of a checkpoint, or of weights that a run has saved.
  ///
  /// - Throws: `DataError`, `TextSamplerError`, `TrainingStateError`, `OpenCLError`.
  public init(path: String, compute: Compute) throws {
    let file = try RandomAccessFile(path: path, expected: "a checkpoint, or saved weights")
    let metadata = try SafetensorsFile.contents(file).metadata
    guard
      let text = metadata[SavedWeights.configurationKey],
      let run = try? JSONDecoder().decode(RunConfiguration.self, from: Data(text.utf8)),
      run.experiment.isCountable,
      run.experiment.settings.problems(
        parametrizations: [run.cell.parametrization], optimizers: [run.cell.optimizer],
        widths: [run.cell.width]
      ).isEmpty
    else { throw TextSamplerError.noConfiguration(path: path) }
    guard let vocabulary = run.experiment.facts.data.vocabulary else {
      throw TextSamplerError.noText(path: path, data: run.experiment.facts.data.name)
    }
    let group = RunGroup(experiment: run.experiment, cells: [run.cell])
    context = group.own.settings.context
    (self.vocabulary, self.compute) = (vocabulary, compute)
    trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: 1, compute: compute)
    try trainer.load(InitialWeights(path: path).tensors)
  }

  /// Tokens after those of `prompt`, as text; the prompt is not part of it.
  ///
  /// Of a prompt, or a text, that is longer than the context the network sees the end.
  /// - prompt: empty for one that begins with a line's end, or with the first token.
  /// - tokens: how many to draw.
  /// - progress: called with each token's text.
  /// - Throws: `DataError` where the prompt has what is not in the vocabulary; `OpenCLError`; what
  ///   `progress` throws.
  public func text(
    after prompt: String, tokens count: Int, _ choice: Choice,
    progress: (String) throws -> Void = { _ in }
  ) throws -> String {
    var tokens = try vocabulary.encode(prompt)
    if tokens.isEmpty { tokens = (try? vocabulary.encode("\n")) ?? [0] }
    let first = tokens.count
    var random = Philox(seed: choice.seed, stream: Philox.stream("sample"))
    for _ in 0..<count {
      let next = Self.draw(try logits(after: tokens), choice, &random)
      tokens.append(next)
      try progress(vocabulary.decode([next]))
    }
    return vocabulary.decode(Array(tokens[first...]))
  }

  /// The logits of what follows the tokens, by those of the context that they end with. What stands behind
  /// them changes nothing: attention is causal.
  func logits(after tokens: [Int]) throws -> [Float] {
    let seen = tokens.suffix(context)
    let padded = seen.map { Float($0) } + [Float](repeating: 0, count: context - seen.count)
    let input = try compute.tensor(padded, rows: context, columns: 1)
    let all = try compute.read(trainer.network(input).output)
    let columns = all.count / context
    let logits = Array(all[(seen.count - 1) * columns..<seen.count * columns])
    guard logits.allSatisfy(\.isFinite) else { throw TextSamplerError.diverged }
    return logits
  }

  /// Draws a token: by exp(logit/temperature) among the topK greatest.
  static func draw(_ logits: [Float], _ choice: Choice, _ random: inout Philox) -> Int {
    let order = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    guard choice.temperature > 0 else { return order[0] }
    let kept = order.prefix(choice.topK ?? order.count)
    let greatest = Double(logits[kept[0]])
    let weights = kept.map { exp((Double(logits[$0]) - greatest) / choice.temperature) }
    var left = Double(random.uniform(0, 1)) * weights.reduce(0, +)
    for (token, weight) in zip(kept, weights) {
      left -= weight
      if left < 0 { return token }
    }
    return kept[0]
  }
}

/// Why a file is none to sample from.
public enum TextSamplerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file does not say of which network its weights are.
  case noConfiguration(path: String)
  /// Its logits are not finite.
  case diverged
  /// The network was trained on rows of numbers.
  case noText(path: String, data: String)

  /// One line: file, expected, found.
  public var description: String {
    switch self {
    case .noConfiguration(let path):
      "\(path): expected a checkpoint, or weights that gputrain has saved (--save), found neither"
    case .diverged: "expected a network with finite logits, found one that has diverged"
    case .noText(let path, let data):
      "\(path): expected a network that was trained on a text, found one of \(data)"
    }
  }
}
