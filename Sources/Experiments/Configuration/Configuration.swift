import Networks
import Spectral
import Tensors
import Training

/// Everything that a user can set and that decides a run's numbers, but for what sets the runs of a
/// sweep apart (`RunCell`). A new setting is a property here and the use of it.
public struct Configuration: SettingGroup {
  /// The defaults of `gputrain sweep`.
  public init() {}

  // MARK: Data

  private let dataSection = SettingSection.data

  /// Where the data lies; nil: the built-in glyphs. No part of a store's record, as every machine
  /// may have it elsewhere: `Facts.data` says which data it is.
  @Setting(
    "data",
    "CIFAR binary, IDX (.gz too), NPY pair, NPZ or CSV; of transformer a text, or token numbers as .bin "
      + "or .npy. (default: built-in glyphs, of transformer built-in tales)",
    value: "path", offers: .file([]))
  public var data: String? = nil

  /// Columns of a table that hold what is learned; none: found by the header's names, else by place. No
  /// part of a store's record, as little as the data's place.
  @Setting(
    "label",
    "Column of a CSV that holds the class, or with commas the numbers to learn: names in its header, or "
      + "numbers from 1. (default: label, class, target or y, else the last)", value: "column")
  public var label: [String] = []

  /// What is learned of the data.
  @Setting(
    "task",
    "What is learned: classes, or with regression numbers, normalised to mean 0 and standard deviation 1, "
      + "under --loss mse.", value: "name")
  public var task = LearningTask.classification

  /// What a text is cut into; nil: characters.
  @Setting(
    "tokens", "What a text is cut into. (default: characters)", value: "kind")
  public var tokens: Tokenization? = nil

  /// How stored values become inputs.
  @Setting(
    "normalization",
    "Normalisation; fixed is x·2/255 − 1, auto that for bytes and per feature for the rest.",
    value: "kind")
  public var normalization = NormalizationChoice.auto

  /// Share of the rows held out where the data brings no validation part.
  @Setting(
    "validation-fraction",
    "Share of the rows held out where the data has no validation part; of a text its end.",
    value: "share", in: .range(0..<1))
  public var validationFraction = 0.1

  // MARK: Network

  private let networkSection = SettingSection.network

  /// Which architecture.
  @Setting(
    "network",
    "The network: layers one after another; blocks of two whose results are added to a stream; or a "
      + "decoder Transformer, of which a block is attention and a perceptron.",
    value: "name")
  public var network = NetworkKind.mlp

  /// Number of hidden layers, of a residual network of blocks.
  @Setting(
    "depth", "Number of hidden layers, of residual-mlp and transformer (2 by default) of blocks.",
    value: "layers",
    in: .range(1...Limits.depth))
  public var depth = 4

  /// Of a residual network: what normalises a block's input and the stream's end.
  @Setting(
    "norm",
    "Of residual-mlp and transformer: what normalises each block's input and the last block's result.",
    value: "kind")
  public var norm = NormChoice.rms

  /// Of a residual network: a block's inner width as a multiple of the width.
  @Setting(
    "expansion",
    "Of residual-mlp and transformer: a block's inner width as a multiple of the width; transformer's "
      + "default is 4.",
    value: "factor", in: .range(1...Limits.depth))
  public var expansion = 1

  /// Of a residual network: what a block's result is multiplied by at the base depth.
  @Setting(
    "branch-multiplier",
    "Of residual-mlp and transformer: multiplies what a block adds, beside the depth rule.",
    value: "factor", in: .positive)
  public var branchMultiplier = 1.0

  /// Of a residual network: how blocks and their rates scale with depth.
  @Setting(
    "depth-rule",
    "Of residual-mlp and transformer, r = depth/base depth: none; depth-mup, blocks times r^−½; complete-p, times r^−1; "
      + "modular, a convex sum of stream and block. Rates and ε follow.", value: "name")
  public var depthRule = DepthRule.completeP

  /// Of a residual network: the number of blocks at which the depth rule changes nothing.
  @Setting(
    "base-depth",
    "Of residual-mlp and transformer: the number of blocks at which the depth rule changes nothing; of modular, "
      + "nothing of rates and ε. Of transformer 2 by default.", value: "blocks",
    in: .range(1...Limits.depth))
  public var baseDepth = 1

  /// Of a perceptron: hidden layer l (from 0) has width factors[l mod count]·width.
  @Setting(
    "hidden-pattern",
    "Of mlp: hidden widths as multiples of the width, repeated over the depth: 1:4:1.",
    value: "factors")
  public var hiddenPattern: HiddenPattern = [1]

  /// Of a Transformer: tokens of a sequence.
  @Setting(
    "context", "Of transformer: tokens of a sequence.", value: "tokens",
    in: .range(1...Limits.size))
  public var context = 64

  /// Of a Transformer: columns of a head; nil: the number of heads is fixed.
  @Setting(
    "head-size", "Of transformer: columns of a head; wider networks have more heads.",
    value: "columns", in: .range(1...AttentionShape.largestHead), instead: "heads")
  public var headSize: Int? = 16

  /// Of a Transformer: the number of heads; nil: their size is fixed.
  @Setting(
    "heads",
    "Of transformer: so many heads, in place of a head's size; wider networks have wider heads.",
    value: "count", in: .range(1...Limits.depth), instead: "head-size")
  public var heads: Int? = nil

  /// Of a Transformer: how a token's position is known.
  @Setting(
    "positions",
    "Of transformer: how a token's position is known: a learned vector, queries and keys turned by it, or "
      + "by the causal mask alone.", value: "kind")
  public var positions = Transformer.Positions.learned

  /// Of a Transformer: whether queries and keys are normalised, head by head.
  @Setting("qk-norm", "Of transformer: normalise queries and keys, head by head.")
  public var normalizesQueries = false

  /// Of a Transformer: multiplies attention's logits.
  @Setting(
    "attention-multiplier", "Of transformer: multiplies attention's logits.", value: "factor",
    in: .positive)
  public var attentionMultiplier = 1.0

  /// Of a Transformer: what attention's logits are divided by.
  @Setting(
    "attention-scale",
    "Of transformer: what attention's logits are divided by: √head size, and beside it by what the "
      + "parametrization says of wider heads; or by it alone.", value: "name")
  public var attentionScale = Transformer.AttentionScale.parametrization

  /// Of a Transformer: whether the perceptrons are gated.
  @Setting("gated", "Of transformer: gated perceptrons; with --activation silu SwiGLU.")
  public var isGated = false

  /// Of a Transformer: whether the embedding's transpose gives the logits.
  @Setting("tied", "Of transformer: the embedding's transpose gives the logits.")
  public var isTied = false

  /// Of a Transformer: whether the queries' weights start at zero.
  @Setting("zero-queries", "Of transformer: start the queries at 0.")
  public var zeroQueries = false

  /// Of a Transformer: whether the branches' last weights start at zero.
  @Setting("zero-projections", "Of transformer: start each branch's last matrix at 0.")
  public var zeroProjections = false

  /// Whether layers add a bias.
  @Setting("bias", "Give every layer a bias, of transformer all but the readout.")
  public var bias = false

  /// The nonlinearity after each hidden layer.
  @Setting(
    "activation", "After every layer but the readout; transformer's default is gelu.",
    value: "name")
  public var activation = Activation.relu

  /// a: the first layer's weight starts 1/√a as large, its product is multiplied by √a.
  @Setting(
    "input-multiplier", "The first weight starts 1/√a as large, its product is multiplied by √a.",
    value: "a", in: .positive)
  public var inputMultiplier = 1.0

  /// Multiplies the logits.
  @Setting("output-multiplier", "Multiplies the logits.", value: "factor", in: .positive)
  public var outputMultiplier = 1.0

  /// Whether the readout starts at zero; one that is tied to an embedding does not.
  @Setting("zero-readout", "Start the readout at 0; not of --tied.")
  public var zeroReadout = true

  /// How weights are drawn.
  @Setting(
    "init",
    "Initial weights: gaussian, entries N(0, σ²); spectral, these scaled to the norm that σ implies, "
      + "σ(√fan-in + √fan-out); orthogonal, every singular value σ√max(fan-in, fan-out).",
    value: "kind")
  public var weightInit = WeightInit.gaussian

  /// Factors on the initial values of single tensors.
  @Setting(
    "init-multiplier",
    "Multiply the initial values of some tensors that are drawn: all=0.5, blocks.*.mlp.down=0.1. May "
      + "be repeated; later ones win.", value: "selector=factor")
  public var initialMultipliers: [InitialMultiplier] = []

  // MARK: Scaling

  private let scalingSection = SettingSection.scaling

  /// The width at which every parametrization equals the standard one.
  @Setting(
    "base-width", "Width at which every parametrization equals the standard one.", value: "width",
    in: .range(1...Limits.size))
  public var baseWidth = 64

  /// Whether there is no base width.
  @Setting("absolute", "Use the rules as such, relative to no base width.")
  public var absolute = false

  /// Learning-rate rules of single tensors.
  @Setting(
    "rate-rule",
    "Take the learning-rate rule of some tensors from elsewhere: readout=sp, layers.1=ntp, "
      + "all=spectral:sgd. May be repeated.", value: "selector=rule[:family]")
  public var rateRules: [RateRule] = []

  /// Depth rules of single tensors' rates.
  @Setting(
    "depth-rate-rule",
    "Take the rate of some tensors in blocks by another depth rule: all=none, blocks.0.up=none, what "
      + "happens if a rate does not follow the depth. May be repeated; later ones win.",
    value: "selector=rule")
  public var depthRateRules: [DepthRateRule] = []

  /// Factors on the learning rates of single tensors.
  @Setting(
    "lr-multiplier",
    "Multiply the learning rate of some tensors: layers.0=2, readout=0.5; 0 freezes them. May be "
      + "repeated; later ones win.", value: "selector=factor")
  public var rateMultipliers: [RateMultiplier] = []

  /// Parametrizations beside the built-in ones.
  @Setting("parametrizations", "Parametrizations beside the built-in ones.", isOption: false)
  public var parametrizations: [CustomParametrization] = []

  // MARK: Training

  private let trainingSection = SettingSection.training

  /// What training minimises.
  @Setting(
    "loss",
    "What is minimised; mse is to the one-hot label less 1/classes, or to the numbers of --task "
      + "regression.", value: "name")
  public var loss = LossFunction.crossEntropy

  /// Passes over the training examples; nil: the length is in steps.
  @Setting(
    "epochs", "Passes over the training rows, in place of steps.", value: "count",
    in: .range(1...Limits.size), instead: "steps")
  public var epochs: Int? = nil

  /// Updates; nil: the length is in epochs.
  @Setting(
    "steps", "Steps to train.", value: "count", in: .range(1...Limits.size), instead: "epochs")
  public var steps: Int? = 150

  /// Examples per update.
  @Setting(
    "batch-size", "Rows a step; of a text sequences.", value: "rows", in: .range(1...Limits.size))
  public var batchSize = 64

  /// Rows that are computed at a time; nil: a step's rows at once.
  @Setting(
    "micro-batch",
    "Rows computed at a time, their gradients summed until a step's rows are done: less memory, the "
      + "same training. (default: a step's rows at once)", value: "rows",
    in: .range(1...Limits.size))
  public var microBatch: Int? = nil

  // MARK: Optimizer

  private let optimizerSection = SettingSection.optimizer

  /// The learning rate over training.
  @Setting(
    "schedule",
    "constant, warmup, cosine, linear or wsd, with the warm-up as a share of all steps or in "
      + "steps: cosine:0.1, cosine:200steps.", value: "name[:warmup]",
    offers: .oneOf(ScheduleChoice.names))
  public var schedule = ScheduleChoice()

  /// Steps from one evaluation on the validation rows to the next; 0: only at the end.
  @Setting(
    "evaluate-every",
    "Evaluate on the validation rows each so many steps, and at the end; 0: at the end alone.",
    value: "steps", in: .range(0...Limits.size))
  public var evaluateEvery = 0

  /// Batches of `Trainer.evaluationBatch` validation rows that an evaluation takes at most.
  @Setting(
    "evaluate-batches",
    "Batches of 256 validation rows, of a text 1024 tokens, that an evaluation takes at most.",
    value: "batches", in: .range(1...Limits.size))
  public var evaluateBatches: Int? = nil

  /// Whether the loss of the trained network over all training rows is taken.
  @Setting(
    "evaluate-train",
    "At the end take the loss over all training rows, for --objective train-whole, which asks for it."
  )
  public var evaluateTrain = false

  /// Strength and kind of weight decay.
  @Setting(
    "weight-decay",
    "Weight decay; its kind is coupled (L2), decoupled (AdamW's own), decoupled-scaled (η·λ the same at "
      + "every width) or independent (λ alone, whatever the rate).",
    value: "λ[:kind]")
  public var weightDecay = WeightDecayChoice()

  /// Whether biases and gains decay too.
  @Setting("decay-vectors", "Weight decay of biases and gains too.")
  public var decayVectors = false

  /// μ; nil: the rule's own.
  @Setting(
    "momentum",
    "μ of momentum and nesterov, β of muon and row-normalized. (default: 0.9, of these two 0.95)",
    value: "μ",
    in: .range(0..<1))
  public var momentum: Double? = nil

  /// β₁; nil: the rule's own.
  @Setting(
    "beta1", "β₁ of adam, adamw (beside muon too) and lion. (default: 0.9)", value: "β₁",
    in: .range(0..<1))
  public var beta1: Double? = nil

  /// β₂; nil: the rule's own.
  @Setting(
    "beta2", "β₂ of adam, adamw and lion. (default: 0.999, of lion 0.99)", value: "β₂",
    in: .range(0..<1))
  public var beta2: Double? = nil

  /// ε; nil: the rule's own.
  @Setting(
    "epsilon", "ε of adam and adamw, at the base width. (default: 1e-8)", value: "ε",
    in: .range(0...1))
  public var epsilon: Double? = nil

  /// What Muon's orthogonalised updates are multiplied by.
  @Setting(
    "muon-scale",
    "What muon multiplies its orthogonalised update by, in place of the parametrization's factor: "
      + "condition √(out/in), jordan √max(1, out/in), max-dimension √max(out, in), match-rms "
      + "0.2·√max(out, in).", value: "name")
  public var muonScale = MuonScale.condition

  /// How Muon orthogonalises.
  @Setting(
    "newton-schulz", "Coefficients of muon's Newton–Schulz iteration.", value: "name")
  public var newtonSchulz = NewtonSchulz.Coefficients.polarExpress

  /// Steps of Muon's iteration.
  @Setting(
    "newton-schulz-steps",
    "Steps of muon's Newton–Schulz iteration; fewer than 5 leave it far from done.",
    value: "count", in: .range(1...10))
  public var newtonSchulzSteps = 5

  /// Whether Muon's momentum looks one step ahead.
  @Setting("muon-nesterov", "Nesterov's look-ahead in muon's momentum.")
  public var muonNesterov = true

  /// A factor on the rates of what Muon and normalised rows leave to AdamW.
  @Setting(
    "adamw-lr-multiplier",
    "Multiply the learning rate of the tensors that muon and row-normalized leave to AdamW; 0 freezes them.",
    value: "factor", in: .range(0...1e6))
  public var adamwLearningRateMultiplier = 1.0

  /// Whether Muon orthogonalises each of attention's heads for itself.
  @Setting(
    "muon-per-head",
    "Let muon take the rows of each head of attention's queries, keys and values as a matrix of their own: "
      + "orthogonalised, and scaled by its shape.")
  public var muonPerHead = false

  /// ‖W‖_*/√(out/in) of every matrix after each step; nil: norms go where updates take them.
  @Setting(
    "spectral-sphere",
    "Scale every matrix that trains, at the start and after each step, to the spectral norm "
      + "radius·√(out/in).", value: "radius", in: .spectralMultiple,
    instead: "spectral-cap", "spectral-clip")
  public var spectralSphere: Double? = nil

  /// The greatest ‖W‖_*/√(out/in) of every matrix after each step; nil: norms go where updates take them.
  @Setting(
    "spectral-cap",
    "Scale down every matrix that trains whose spectral norm, at the start or after a step, is above "
      + "multiple·√(out/in).", value: "multiple", in: .spectralMultiple,
    instead: "spectral-sphere", "spectral-clip")
  public var spectralCap: Double? = nil

  /// The same, held by the singular values that are above it; nil: they go where updates take them.
  @Setting(
    "spectral-clip",
    "Clip the singular values of every matrix that trains, at the start and after each step, at "
      + "multiple·√(out/in); those below stay as they are.", value: "multiple",
    in: .spectralMultiple, instead: "spectral-sphere", "spectral-cap")
  public var spectralClip: Double? = nil

  /// The greatest norm of all gradients of a step together; nil: they are not clipped.
  @Setting(
    "clip-norm", "Scale down the gradients of a step whose norm, of all together, is above this.",
    value: "norm", in: .positive)
  public var clipNorm: Double? = nil

  /// Parameters that are updated in their own way.
  @Setting(
    "group",
    "Update some tensors in their own way: hidden=optimizer:lion,lr:0.1,beta1:0.95, "
      + "readout=weight-decay:0,schedule:constant, hidden=spectral-sphere:1. May be repeated; later ones win.",
    value: "selector=key:value,…")
  public var groups: [GroupChoice] = []
}
