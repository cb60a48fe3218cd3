import Experiments
import Tensors
import Training

/// Where and how a command computes.
struct ComputeSettings: SettingGroup {
  private let section = SettingSection.device

  @Setting(
    "device",
    "gpu, cpu, gpu:1 for the second GPU, an index of `gputrain devices` or part of a name; of sweep also all: "
      + "every GPU. (default: the GPU with the most memory, else the CPU)", value: "device",
    offers: .oneOf(["gpu", "cpu", "all"]))
  var device: String? = nil

  @Setting(
    "gemm", "GEMM backend; auto is opencl on CPU devices, else tiled.", value: "name")
  var gemm = Compute.BackendChoice.automatic

  @Setting(
    "precision",
    "What matrix products round their operands to; all but fp32 need NVIDIA tensor cores. tf32x3 "
      + "is as exact as fp32.", value: "name")
  var precision = ProductPrecision.fp32
}

/// How a command that trains does it; decides no number of a run.
struct ExecutionSettings: SettingGroup {
  private let scalingSection = SettingSection.scaling

  @Setting(
    "parametrization-file",
    "YAML file whose section parametrizations defines more of them, such as a sweep's. May be "
      + "repeated.", value: "file", offers: .file(["yaml", "yml"]))
  var parametrizationFiles: [YAMLPath] = []

  private let deviceSection = SettingSection.device

  @Setting(
    "memory",
    "Device memory to use: 512M, 8G. (default: half of a CPU's free memory, 80 % of a GPU's)",
    value: "bytes")
  var memory: ByteCount? = nil

  private let resultsSection = SettingSection.results

  @Setting(
    "out",
    "Where results go; the same command again runs only what is missing. (default: the newest "
      + "unfinished sweep of these settings under runs/, else runs/<time>-<data>)",
    value: "directory", offers: .directory)
  var out: String? = nil

  @Setting(
    "diagnose",
    "Measure every layer each so many steps, into metrics.jsonl: norms of W and ΔW (norms), also "
      + "gradients, features, alignment and directions (all).", value: "steps[:norms|all]")
  var diagnose: DiagnosisPlan? = nil

  @Setting(
    "tensorboard",
    "Also write each run's losses and measurements for TensorBoard, into OUT/tensorboard.")
  var tensorboard = false

  @Setting(
    "checkpoint-every",
    "Write checkpoints of the runs under way each so many steps, from which a killed sweep resumes; "
      + "Ctrl-C always writes them.", value: "steps", in: .range(1...Limits.size))
  var checkpointEvery: Int? = nil

  @Setting(
    "keep-best",
    "Keep the weights of the best run of each parametrization, optimizer and width, as safetensors in "
      + "OUT/best.")
  var keepBest = false

  @Setting(
    "keep", "How many checkpoints of a run are kept, the newest.", value: "count",
    in: .range(1...Limits.size))
  var keep = RunCheckpointing.defaultKeep

  @Setting(
    "save", "Write the final weights to a safetensors file.", value: "file",
    offers: .file(["safetensors"]))
  var save: String? = nil

  private let sharingSection = SettingSection.sharing

  @Setting(
    "shard",
    "Train only this part of the runs, 3/8, and look at no other process; slurm and mpi take it from the "
      + "environment. (default: whatever no other process has claimed)",
    value: "part", offers: .oneOf(["slurm", "mpi"]))
  var shard: ShardChoice? = nil

  @Setting(
    "claim-timeout",
    "How long another process may be silent before its runs are taken over: 90s, 5m, 1h.",
    value: "time")
  var claimTimeout = TimeSpan(SweepSharing.defaultTimeout)

  @Setting(
    "data-parallel",
    "Compute a part of each batch in every process that mpirun or srun has started, a device each; the first "
      + "one writes the results.")
  var dataParallel = false

  @Setting(
    "gradient-exchange",
    "How they put a weight's gradient together: factors exchanges rows and has each make the product of all, "
      + "sums adds up their products, auto takes what is less work for each weight.", value: "name")
  var gradientExchange = GradientRoute.automatic

  @Setting(
    "time-limit",
    "Stop after this time as by Ctrl-C, with status 75: minutes, 1:30:00, 90s, 2h. (default: shortly "
      + "before a Slurm job's end, where SLURM_JOB_END_TIME says it)", value: "time")
  var timeLimit: TimeSpan? = nil
}

/// What `check` and `figures` need of it.
enum MeasuringExecution: SettingSelection {
  typealias Group = ExecutionSettings
  static let omitted = Set(
    ExecutionSettings.declarations.map(\.name).filter {
      !["memory", "parametrization-file"].contains($0)
    })
}

/// The learning rate of commands that train at one.
struct RateSettings: SettingGroup {
  private let section = SettingSection.training

  @Setting(
    "log2-lr", "log2 of the learning rate.", value: "rate", in: .log2Rate, or: .plainRate)
  var log2LearningRate: Double? = nil
}

/// What a sweep's file may say of how results are printed; the command line has `--json` of every
/// command.
struct OutputSettings: SettingGroup {
  @Setting("json", "Print the result as JSON, alone on standard output.", isOption: false)
  var json = false
}

/// The file of an option that may be given several times.
struct YAMLPath: SettingValue {
  let path: String

  init?(setting: JSONValue) {
    guard let path = String(setting: setting) else { return nil }
    self.path = path
  }

  var setting: JSONValue { .string(path) }
  static let expected = String.expected
  static let shape = SettingDeclaration.Shape.repeated
}

/// A number of bytes: 512M, 8G, 1.5G.
struct ByteCount: SettingValue {
  let bytes: Int

  init?(setting: JSONValue) {
    let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]
    var text = setting.optionText.uppercased()
    if text.hasSuffix("IB") { text.removeLast(2) } else if text.hasSuffix("B") { text.removeLast() }
    var unit = 1.0
    if let last = text.last, let factor = units[last] {
      unit = factor
      text.removeLast()
    }
    guard let value = Double(text), value > 0, value * unit <= 1e18 else { return nil }
    bytes = Int(value * unit)
  }

  var setting: JSONValue { .integer(bytes) }
  static let expected = "a number of bytes such as 512M or 8G"
}

/// Where and how to compute.
enum Computing: SettingSelection { typealias Group = ComputeSettings }

/// Where to compute, of what multiplies no matrices.
enum OneDevice: SettingSelection {
  typealias Group = ComputeSettings
  static let omitted: Set = ["gemm", "precision"]
}
