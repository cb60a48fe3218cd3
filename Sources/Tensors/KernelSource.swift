import CKernels
import Dispatch
import OpenCL
import Synchronization

/// The files of Kernels/: families of kernels, and what several families include.
package enum KernelSource: String, CaseIterable {
  case activation, arithmetic, attention, embedding, fill, gather, gram, loss, multiply
  case normalization, order, orthogonalization, random, rotation
  case pack, record, reduction, ritz, slices, spectral, step, symmetric, update
  case gradientScale = "gradient_scale"
  case normBounds = "norm_bounds"
  /// Of GPUs: compiled for a variant and a tile.
  case multiplyLocal = "multiply_local"
  case multiplyTensor = "multiply_tensor"
  /// Of GPUs: compiled for a network.
  case onChip = "on_chip"
  case multiplyWarpgroup = "multiply_warpgroup"
  /// A variant's kernels of the file that includes it.
  case attentionGroup = "attention_group"
  case attentionItem = "attention_item"
  case ritzGroup = "ritz_group"
  case ritzItem = "ritz_item"
  case spectralGroup = "spectral_group"
  /// Included by others: no kernels of their own.
  case epilogue, exponential, lanes, mma, nonlinearity, packed, philox, rounding, rules, span, tile,
    vector
  case wgmma, workgroup
  case multiplyGroup = "multiply_group"

  /// The file's name, for messages.
  package var file: String { "Kernels/\(rawValue).cl" }

  /// The file's text with those that it includes, each once; line directives say where lines are from.
  package var text: String {
    var included: Set<KernelSource> = [self]
    return Self.text(of: self, included: &included)
  }

  private static func text(of source: KernelSource, included: inout Set<KernelSource>) -> String {
    let lines = source.ownText.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.enumerated().map { number, line in
      guard line.hasPrefix("#include"), let name = line.firstMatch(of: /"(\w+)\.cl"/)?.1 else {
        return String(line)
      }
      guard let part = KernelSource(rawValue: String(name)) else {
        preconditionFailure("\(source.file) includes \(name).cl, which is not in Kernels/")
      }
      guard included.insert(part).inserted else { return "" }
      return "#line 1 \"\(part.file)\"\n" + text(of: part, included: &included)
        + "\n#line \(number + 2) \"\(source.file)\""
    }.joined(separator: "\n")
  }

  /// The file whose program has this one's kernels.
  var program: KernelSource {
    switch self {
    case .arithmetic, .fill, .gather, .loss, .order, .random, .record: .step
    default: self
    }
  }

  /// The file's own text, embedded in the program.
  private var ownText: String {
    let bytes =
      switch self {
      case .activation: gputrain_activation_source()
      case .arithmetic: gputrain_arithmetic_source()
      case .embedding: gputrain_embedding_source()
      case .attention: gputrain_attention_source()
      case .attentionGroup: gputrain_attention_group_source()
      case .attentionItem: gputrain_attention_item_source()
      case .epilogue: gputrain_epilogue_source()
      case .exponential: gputrain_exponential_source()
      case .fill: gputrain_fill_source()
      case .gather: gputrain_gather_source()
      case .gradientScale: gputrain_gradient_scale_source()
      case .gram: gputrain_gram_source()
      case .lanes: gputrain_lanes_source()
      case .loss: gputrain_loss_source()
      case .mma: gputrain_mma_source()
      case .multiply: gputrain_multiply_source()
      case .multiplyGroup: gputrain_multiply_group_source()
      case .multiplyLocal: gputrain_multiply_local_source()
      case .multiplyTensor: gputrain_multiply_tensor_source()
      case .multiplyWarpgroup: gputrain_multiply_warpgroup_source()
      case .nonlinearity: gputrain_nonlinearity_source()
      case .normBounds: gputrain_norm_bounds_source()
      case .normalization: gputrain_normalization_source()
      case .onChip: gputrain_on_chip_source()
      case .pack: gputrain_pack_source()
      case .packed: gputrain_packed_source()
      case .order: gputrain_order_source()
      case .orthogonalization: gputrain_orthogonalization_source()
      case .philox: gputrain_philox_source()
      case .random: gputrain_random_source()
      case .record: gputrain_record_source()
      case .reduction: gputrain_reduction_source()
      case .ritz: gputrain_ritz_source()
      case .ritzGroup: gputrain_ritz_group_source()
      case .ritzItem: gputrain_ritz_item_source()
      case .rotation: gputrain_rotation_source()
      case .rounding: gputrain_rounding_source()
      case .rules: gputrain_rules_source()
      case .slices: gputrain_slices_source()
      case .span: gputrain_span_source()
      case .spectral: gputrain_spectral_source()
      case .spectralGroup: gputrain_spectral_group_source()
      case .step: gputrain_step_source()
      case .symmetric: gputrain_symmetric_source()
      case .tile: gputrain_tile_source()
      case .update: gputrain_update_source()
      case .vector: gputrain_vector_source()
      case .wgmma: gputrain_wgmma_source()
      case .workgroup: gputrain_workgroup_source()
      }
    return String(cString: bytes!)
  }
}

/// Custom OpenCL C for `Compute.kernel(_:_:_:)`.
///
/// The macro `WIDTH` is the number of floats that one work-item handles best at a time: a CPU's
/// native vector, four on GPUs. Language version: OpenCL C 1.2.
public struct KernelFile: Hashable, Sendable {
  /// The name in compilers' messages.
  public let name: String
  /// The program's text.
  public let source: String

  /// A file of kernels.
  public init(name: String, source: String) {
    self.name = name
    self.source = source
  }
}

/// A kernel among those that are loaded.
struct KernelKey: Hashable {
  /// The text that it is in.
  enum Source: Hashable {
    /// One of the package's own programs.
    case package(ProgramKey)
    /// A custom file.
    case file(KernelFile)
  }

  let source: Source
  let name: String

  /// By the name alone, which few kernels share: keys are looked up at every launch.
  func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// What a program of our own kernels is made of, but for the context and what all programs share.
package struct ProgramKey: Hashable, Sendable {
  let source: KernelSource
  /// Macros by name.
  let definitions: [String: String]
  /// The update rule whose macros come before the text, if any.
  let rule: ElementwiseRule?
  /// Further options of the compiler.
  let options: [String]
  /// Whether what is compiled holds back instructions, which `HeldBackInstructions` puts in.
  let holdsBackInstructions: Bool

  /// The program of `source` with these definitions, update rule and options.
  package init(
    source: KernelSource, definitions: [String: String] = [:], rule: ElementwiseRule? = nil,
    options: [String] = [], holdsBackInstructions: Bool = false
  ) {
    (self.source, self.definitions, self.options) = (source.program, definitions, options)
    self.rule = rule
    self.holdsBackInstructions = holdsBackInstructions
  }

  /// Compiles the program.
  ///
  /// - common: definitions of all programs, which its own come before.
  func program(context: Context, common: [String: String]) throws -> Program {
    func putInstructions(into text: String) throws -> String {
      try HeldBackInstructions.put(into: text)
    }
    return try Program(
      context: context, file: source.file,
      source: (rule.map { "\($0.macros)#line 1 \"\(source.file)\"\n" } ?? "") + source.text,
      definitions: definitions.merging(common) { own, _ in own },
      options: options,
      assembling: holdsBackInstructions ? putInstructions : nil)
  }
}

extension Compute {
  /// Compiles those of `keys` that are not compiled yet, on as many threads as the host has cores;
  /// drivers compile a program on one.
  ///
  ///     compute.prepare(variants.map { kernel.program($0, platform: device.platform) })
  ///
  /// What cannot be compiled is left out: it is compiled once more, and its error thrown, when one
  /// of its kernels is asked for.
  package func prepare(_ keys: [ProgramKey]) {
    let missing = Set(keys).filter { programs[$0] == nil }.map { $0 }
    guard missing.count > 1 else { return }
    let start = ContinuousClock.now
    defer { buildTime += ContinuousClock.now - start }
    let (context, common) = (SharedAcrossThreads(value: queue.context), commonDefinitions)
    let built = Mutex<[Int: SharedAcrossThreads<Program>]>([:])
    DispatchQueue.concurrentPerform(iterations: missing.count) { index in
      guard
        let program = try? missing[index].program(context: context.value, common: common)
      else { return }
      let shared = SharedAcrossThreads(value: program)
      built.withLock { $0[index] = shared }
    }
    for (index, program) in built.withLock({ $0 }) { programs[missing[index]] = program.value }
  }
}

/// An OpenCL object that several threads use at once.
///
/// `Context` and `Program` are classes of constants around a handle. OpenCL 1.2, A.2, has all calls
/// thread-safe but `clSetKernelArg`: contexts are shared here, and programs, each made by one thread
/// and read by another once that is done; kernels are not.
private struct SharedAcrossThreads<Value>: @unchecked Sendable {
  let value: Value
}
