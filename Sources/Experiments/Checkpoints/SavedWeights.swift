import Foundation
import OpenCL
import Training

/// Weights alone: what a run starts from, and what it ends with.
public enum SavedWeights {
  /// The metadata's name of the configuration.
  static let configurationKey = "configuration"

  /// Refuses a file that `write` could not make: before training, which is long.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public static func requirePlace(for url: URL) throws { try AtomicFile.requirePlace(for: url) }

  /// Writes `parameters` with the run's configuration as metadata: `layers.0.weight` [out, in].
  ///
  /// - metadata: more of it, by names of its own.
  /// - Throws: `RunStoreError.fileFailed`.
  public static func write(
    _ parameters: [NamedValues], configuration: RunConfiguration,
    metadata: [String: String] = [:], to url: URL
  ) throws {
    try SafetensorsWriter.write(
      parameters,
      metadata: [
        "format": "pt", "gputrain": "weights 1",
        configurationKey: String(decoding: try CanonicalJSON.compact(configuration), as: UTF8.self),
      ].merging(metadata) { own, _ in own }, to: url)
  }
}

/// The weights of a file, for a run to start from.
public struct InitialWeights: Sendable {
  /// Where they were read.
  public let path: String
  /// Every tensor of the file, named without what wrappers put before names (`module.`, `model.`,
  /// `_orig_mod.`); of a checkpoint, the parameters.
  public let tensors: [NamedValues]
  /// A name of the file and what it was read as, where names were shortened.
  public let renamed: (from: String, to: String)?
  /// Hash of names and values, which a run's configuration takes up.
  public let fingerprint: String

  /// Reads a safetensors, PyTorch, NPY or NPZ file, or a checkpoint; a sweep sees whether its tensors fit.
  ///
  /// - Throws: `DataError`; also where some of the file's tensors cannot be read.
  public init(path: String) throws {
    self.path = path
    let file = try WeightFile(path: path)
    if let problem = file.unreadable.first {
      throw DataError.unreadable(path: path, reason: problem)
    }
    // A checkpoint's other tensors have prefixes of their own.
    let isCheckpoint = file.tensors.contains { $0.name == "training.loss_sums" }
    let others = ["optimizer.", "training.", "diagnostics."]
    let stored = file.tensors.filter { tensor in
      !isCheckpoint || !others.contains { tensor.name.hasPrefix($0) }
    }
    let names = TensorName.canonical(stored.map(\.name))
    tensors = try stored.map { tensor in
      let read = try tensor.values(path: path)
      return NamedValues(
        name: names[read.name] ?? read.name, shape: read.shape, values: read.values)
    }
    renamed = stored.first { names[$0.name] != $0.name }.flatMap { tensor in
      names[tensor.name].map { (tensor.name, $0) }
    }
    var hash = FNV1a()
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      hash.combine(Array(tensor.name.utf8))
      hash.combine(tensor.values)
    }
    fingerprint = hash.hexadecimal
  }

  /// Refuses weights that do not fit the group's network.
  ///
  /// - Throws: `CheckpointError.unfit`.
  func check(against group: RunGroup) throws {
    do {
      try group.training.network.graph.check(tensors)
    } catch {
      throw CheckpointError.unfit(path: path, reason: "\(error)")
    }
  }
}
