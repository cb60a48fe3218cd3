import Foundation
import OpenCL
import Training

/// Weights alone: what a run starts from, and what it ends with.
public enum SavedWeights {
  /// Writes `parameters` with the run's configuration as metadata: `layers.0.weight` [out, in].
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public static func write(
    _ parameters: [NamedValues], configuration: RunConfiguration, to url: URL
  ) throws {
    try SafetensorsWriter.write(
      parameters,
      metadata: [
        "format": "pt", "gputrain": "weights 1",
        "configuration": String(decoding: try CanonicalJSON.compact(configuration), as: UTF8.self),
      ], to: url)
  }
}

/// The weights of a file, for a run to start from.
public struct InitialWeights: Sendable {
  /// Where they were read.
  public let path: String
  /// Every tensor of the file; of a checkpoint, the parameters.
  public let tensors: [NamedValues]
  /// Hash of names and values, which a run's configuration takes up.
  public let fingerprint: String

  /// Reads a safetensors, NPY or NPZ file, or a checkpoint; a sweep sees whether its tensors fit.
  ///
  /// - Throws: `DataError`.
  public init(path: String) throws {
    self.path = path
    let stored = try WeightFile(path: path).tensors
    // A checkpoint's other tensors have prefixes of their own.
    let isCheckpoint = stored.contains { $0.name == "training.loss_sums" }
    let others = ["optimizer.", "training.", "diagnostics."]
    tensors =
      try stored
      .filter { tensor in !isCheckpoint || !others.contains { tensor.name.hasPrefix($0) } }
      .map { try $0.values(path: path) }
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
