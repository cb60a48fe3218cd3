import Foundation
import OpenCL
import Training

/// A run's training state with all that it belongs to: one safetensors file, which any reader of
/// that format takes.
///
///     layers.0.weight [fanOut, fanIn], layers.0.bias [fanOut]    the parameters, as PyTorch has them
///     optimizer.layers.0.weight.mean, .square, .velocity         what the update rule keeps
///     training.loss_sums [steps]       the loss of each step before its update, a sum over its rows
///     diagnostics.…                    what measurements compare with; records as JSON lines, U8
///     __metadata__                     step, epoch, configuration as JSON, device, seconds, a
///                                      checksum of the values
///
/// No state of random numbers: initial values and orders are functions of seed and epoch alone.
public struct Checkpoint: Sendable {
  /// The run.
  public let configuration: RunConfiguration
  /// Where its training stands.
  public let state: TrainingState
  /// What is measured of it.
  public let diagnosis: DiagnosisPlan?
  /// What was measured so far.
  public let measured: [RunRecord]
  /// Wall-clock time of training so far.
  public let seconds: Double
  /// Name of the device that it trained on.
  public let device: String
  /// The settings that the run was asked for with, by name.
  public let options: [String: JSONValue]

  /// A checkpoint of these parts.
  public init(
    configuration: RunConfiguration, state: TrainingState, diagnosis: DiagnosisPlan?,
    measured: [RunRecord], seconds: Double, device: String, options: [String: JSONValue]
  ) {
    (self.configuration, self.state) = (configuration, state)
    (self.diagnosis, self.measured) = (diagnosis, measured)
    (self.seconds, self.device, self.options) = (seconds, device, options)
  }

  /// Whether it was written after the last step.
  public var isFinal: Bool {
    state.step
      == RunGroup(experiment: configuration.experiment, cells: [configuration.cell]).totalSteps
  }

  /// The file's name, which sorts by step.
  public static func fileName(step: Int) -> String {
    String(format: "step-%08d.safetensors", step)
  }

  /// The step of a file of such a name.
  static func step(ofFile name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
    let digits = name.dropFirst(5).dropLast(12)
    return digits.allSatisfy { ("0"..."9").contains($0) } ? Int(digits) : nil
  }

  // MARK: Files

  private enum Prefix {
    static let optimizer = "optimizer."
    static let training = "training."
    static let diagnostics = "diagnostics."
    static let all = [optimizer, training, diagnostics]
  }

  private static let kind = "checkpoint 5"
  private static let losses = Prefix.training + "loss_sums"
  private static let gradientNorms = Prefix.training + "gradient_norms"
  private static let records = Prefix.diagnostics + "records"

  /// Writes the file, whole or not at all.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public func write(to url: URL) throws { try AtomicFile.write(bytes(), to: url) }

  /// What the file holds.
  func bytes() throws -> Data {
    func named(_ prefix: String, _ tensors: [NamedValues]) -> [NamedValues] {
      tensors.map { NamedValues(name: prefix + $0.name, shape: $0.shape, values: $0.values) }
    }
    let tensors =
      state.parameters + named(Prefix.optimizer, state.optimizer)
      + named(Prefix.diagnostics, state.diagnostics ?? [])
      + [NamedValues(name: Self.losses, shape: [state.lossSums.count], values: state.lossSums)]
      + (state.gradientNorms.isEmpty
        ? []
        : [
          NamedValues(
            name: Self.gradientNorms, shape: [state.gradientNorms.count],
            values: state.gradientNorms)
        ])
    var texts: [String: Data] = [:]
    if diagnosis != nil || !measured.isEmpty { texts[Self.records] = try RunRecord.lines(measured) }
    var metadata = [
      "format": "pt", "gputrain": Self.kind, "step": "\(state.step)", "epoch": "\(state.epoch)",
      "active": "\(state.isActive)", "seconds": "\(seconds)", "device": device,
      "configuration": String(decoding: try CanonicalJSON.compact(configuration), as: UTF8.self),
      "options": String(decoding: try CanonicalJSON.compact(options), as: UTF8.self),
      "checksum": Self.checksum(tensors, texts: texts),
    ]
    if let diagnosis { metadata["diagnose"] = diagnosis.text }
    return try SafetensorsWriter.bytes(tensors, texts: texts, metadata: metadata)
  }

  /// What a checkpoint's header says, without its values.
  struct Header {
    let configuration: RunConfiguration
    let step: Int
    let isActive: Bool
    let seconds: Double
    let device: String
    let options: [String: JSONValue]
    let diagnosis: DiagnosisPlan?
    let checksum: String?

    /// Reads the header of a file; its values are not looked at.
    ///
    /// - Throws: as `Checkpoint.init(path:)`.
    init(path: String) throws {
      let file = try RandomAccessFile(path: path, expected: "a checkpoint")
      try self.init(SafetensorsFile.contents(file).metadata, path: path)
    }

    fileprivate init(_ metadata: [String: String], path: String) throws {
      guard metadata["gputrain"] == Checkpoint.kind else {
        throw CheckpointError.malformed(
          path: path, expected: "a checkpoint of this version of gputrain",
          got: metadata["gputrain"].map(DataError.quoted) ?? "a safetensors file of other origin")
      }
      func field<Value>(_ key: String, _ what: String, _ read: (String) -> Value?) throws -> Value {
        guard let text = metadata[key], let value = read(text) else {
          throw CheckpointError.malformed(
            path: path, expected: "\(what) under \(key)",
            got: metadata[key].map(DataError.quoted) ?? "nothing")
        }
        return value
      }
      func decoded<Value: Decodable>(_ text: String) -> Value? {
        try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
      }
      configuration = try field("configuration", "a run's configuration", decoded)
      step = try field("step", "a number of steps") { Int($0).flatMap { $0 >= 0 ? $0 : nil } }
      isActive = try field("active", "true or false", Bool.init)
      seconds = try field("seconds", "a time") {
        Double($0).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
      }
      device = try field("device", "a device's name") { $0 }
      options = try field("options", "the settings that were asked for", decoded)
      diagnosis =
        metadata["diagnose"] == nil
        ? nil : try field("diagnose", "steps:contents", DiagnosisPlan.init(text:))
      checksum = metadata["checksum"]
    }
  }

  /// Reads a file that `write` made.
  ///
  /// - Throws: `DataError` where it is no whole safetensors file, `CheckpointError.malformed`.
  public init(path: String) throws {
    let file = try RandomAccessFile(path: path, expected: "a checkpoint")
    let (stored, metadata) = try SafetensorsFile.contents(file)
    let header = try Header(metadata, path: path)
    (configuration, seconds, device) = (header.configuration, header.seconds, header.device)
    (options, diagnosis) = (header.options, header.diagnosis)
    let step = header.step
    func malformed(_ expected: String, _ got: String) -> CheckpointError {
      .malformed(path: path, expected: expected, got: got)
    }

    var texts: [String: Data] = [:]
    var tensors: [NamedValues] = []
    for tensor in stored {
      if tensor.name == Self.records && tensor.typeName == "U8" {
        texts[tensor.name] = Data(
          try tensor.source.read(tensor.offset..<tensor.offset + tensor.count))
      } else {
        tensors.append(try tensor.values(path: path))
      }
    }
    guard header.checksum == Self.checksum(tensors, texts: texts) else {
      throw malformed("values of checksum \(header.checksum ?? "none")", "damaged values")
    }
    guard diagnosis == nil || texts[Self.records] != nil,
      let measured = RunRecord.parse(lines: texts[Self.records] ?? Data())
    else { throw malformed("records of what was measured", "others") }
    self.measured = measured
    func part(_ prefix: String) -> [NamedValues] {
      tensors.filter { $0.name.hasPrefix(prefix) }.map {
        NamedValues(
          name: String($0.name.dropFirst(prefix.count)), shape: $0.shape, values: $0.values)
      }
    }
    guard configuration.experiment.isCountable,
      configuration.experiment.overridden(by: configuration.cell.overrides).isCountable
    else {
      throw malformed("a run's configuration", "sizes or lengths out of range")
    }
    let group = RunGroup(experiment: configuration.experiment, cells: [configuration.cell])
    guard let lossSums = tensors.first(where: { $0.name == Self.losses })?.values,
      lossSums.count == step, step <= group.totalSteps
    else { throw malformed("the losses of \(step) steps", "others") }
    let gradientNorms = tensors.first { $0.name == Self.gradientNorms }?.values ?? []
    guard gradientNorms.isEmpty || gradientNorms.count == step else {
      throw malformed("the gradients' norms of \(step) steps", "others")
    }
    state = TrainingState(
      step: step, epoch: (step + group.stepsPerEpoch - 1) / group.stepsPerEpoch,
      epochStep: step % group.stepsPerEpoch, isActive: header.isActive,
      batchSizes: (0..<step).map(group.labels), lossSums: lossSums,
      gradientNorms: gradientNorms,
      parameters: tensors.filter { tensor in !Prefix.all.contains { tensor.name.hasPrefix($0) } },
      optimizer: part(Prefix.optimizer),
      diagnostics: diagnosis == nil ? nil : part(Prefix.diagnostics))
  }

  /// FNV-1a of names and values, in the order of the names.
  private static func checksum(_ tensors: [NamedValues], texts: [String: Data]) -> String {
    var hash = FNV1a()
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      hash.combine(Array(tensor.name.utf8))
      hash.combine(tensor.values)
    }
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
      hash.combine(Array(name.utf8))
      hash.combine(Array(text))
    }
    return hash.hexadecimal
  }

  /// Refuses another run than `wanted`, or other measurements, field by field.
  ///
  /// - Throws: `CheckpointError.otherConfiguration`.
  public func check(
    against wanted: RunConfiguration, diagnosis wantedDiagnosis: DiagnosisPlan?, path: String
  ) throws {
    func leaves(_ configuration: RunConfiguration) -> [String: JSONValue] {
      configuration.experiment.leaves.merging(configuration.cell.leaves) { $1 }
    }
    var differences = RunStoreError.differences(leaves(configuration), leaves(wanted))
    if diagnosis != wantedDiagnosis {
      differences.append(
        RunStoreError.Difference(
          key: "diagnose", stored: diagnosis?.text ?? "none",
          given: wantedDiagnosis?.text ?? "none"))
    }
    if !differences.isEmpty {
      throw CheckpointError.otherConfiguration(path: path, differences: differences)
    }
  }
}

/// What is wrong with a checkpoint, or with weights to start from.
public enum CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no checkpoint at a place.
  case none(place: String)
  /// Several runs at a place have checkpoints.
  case ambiguous(place: String, files: [String])
  /// A safetensors file that is no checkpoint of this version, or whose contents contradict its
  /// own description.
  case malformed(path: String, expected: String, got: String)
  /// The run asked for is another one.
  case otherConfiguration(path: String, differences: [RunStoreError.Difference])
  /// Tensors do not fit the network.
  case unfit(path: String, reason: String)

  /// One line: place, expected, got.
  public var description: String {
    let text =
      switch self {
      case .none(let place):
        "\(place): expected a checkpoint, step-….safetensors, or the directory of a run that has "
          + "one; got none. A sweep is resumed by the command that began it"
      case .ambiguous(let place, let files):
        "\(place): expected checkpoints of one run, got those of \(files.count); name one: "
          + files.joined(separator: ", ")
      case .malformed(let path, let expected, let got):
        "\(path): expected \(expected), got \(got)"
      case .otherConfiguration(let path, let differences):
        "\(path) is of another run: "
          + differences.map { "\($0.key): stored \($0.stored), given \($0.given)" }
          .joined(separator: "; ")
      case .unfit(let path, let reason): "\(path): \(reason)"
      }
    return text.printable()
  }
}
