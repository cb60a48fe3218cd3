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
          + "one; got none"
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
