/// Where one replica's training stands: all that it resumes from, on CPUs bit for bit, beside its
/// configuration.
///
/// There is no state of random numbers: initial values, and the order of each epoch's rows, are
/// functions of the seed and the epoch alone.
public struct TrainingState: Hashable, Sendable {
  /// Steps done, ≥ 0.
  public var step: Int
  /// Epochs begun.
  public var epoch: Int
  /// Steps done of the epoch under way; 0 between epochs.
  public var epochStep: Int
  /// Whether the replica still trains; it is frozen once a loss was not finite.
  public var isActive: Bool
  /// Labels of each step so far: its rows, of a text its tokens.
  public var batchSizes: [Int]
  /// The loss of each such step before its update, summed over its rows.
  public var lossSums: [Float]
  /// The norm of all gradients of each such step before they were clipped; empty where they are not.
  public var gradientNorms: [Float]
  /// Weights `layers.0.weight` [fanOut, fanIn] and biases `layers.0.bias` [fanOut].
  public var parameters: [NamedValues]
  /// What the update rule keeps, of its parameter's shape: `layers.0.weight.mean`; of a parameter whose
  /// norm is held also the vectors that the norm is found by, `layers.0.weight.norm_vectors`.
  public var optimizer: [NamedValues]
  /// What diagnostics compare with and start from: weights and features as they were at first,
  /// vectors of the norms' iterations; nil where nothing is measured.
  public var diagnostics: [NamedValues]?

  /// A state of these parts.
  public init(
    step: Int, epoch: Int, epochStep: Int, isActive: Bool, batchSizes: [Int], lossSums: [Float],
    gradientNorms: [Float] = [], parameters: [NamedValues], optimizer: [NamedValues],
    diagnostics: [NamedValues]? = nil
  ) {
    (self.step, self.epoch, self.epochStep) = (step, epoch, epochStep)
    (self.isActive, self.batchSizes, self.lossSums) = (isActive, batchSizes, lossSums)
    self.gradientNorms = gradientNorms
    (self.parameters, self.optimizer, self.diagnostics) = (parameters, optimizer, diagnostics)
  }
}

/// What keeps a state or weights from being taken over; the trainer is as it was before.
public enum TrainingStateError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A tensor is not there.
  case missing(tensor: String, shape: [Int], known: [String])
  /// A tensor has another shape.
  case shape(tensor: String, expected: [Int], got: [Int])
  /// A tensor that nothing here has a place for.
  case unexpected(tensor: String, shape: [Int])
  /// A value that is not a finite number; index in row-major order.
  case notFinite(tensor: String, index: Int, got: String)
  /// Something else differs.
  case mismatch(what: String, expected: String, got: String)

  /// One line: what, expected, got.
  public var description: String {
    switch self {
    case .missing(let tensor, let shape, let known):
      let names = known.prefix(8).joined(separator: ", ") + (known.count > 8 ? ", …" : "")
      return "\(tensor): expected \(shape), got no such tensor; there are \(names)"
    case .shape(let tensor, let expected, let got):
      return "\(tensor): expected \(expected), got \(got)"
    case .unexpected(let tensor, let shape):
      let hint = tensor.hasSuffix(".bias") ? " (--bias gives every layer one)" : ""
      return "\(tensor): expected no such tensor, got \(shape)\(hint)"
    case .notFinite(let tensor, let index, let got):
      return "\(tensor): expected finite values, got \(got) at index \(index)"
    case .mismatch(let what, let expected, let got):
      return "\(what): expected \(expected), got \(got)"
    }
  }
}

/// Tensors by name, to be taken one by one, each checked.
struct TensorShelf {
  private var tensors: [String: NamedValues]
  private let names: [String]

  init(_ tensors: [NamedValues]) throws(TrainingStateError) {
    names = tensors.map(\.name)
    self.tensors = [:]
    for tensor in tensors {
      guard self.tensors.updateValue(tensor, forKey: tensor.name) == nil else {
        throw .mismatch(what: tensor.name, expected: "one such tensor", got: "two")
      }
    }
  }

  /// Whether a tensor of this name is left.
  func holds(_ name: String) -> Bool { tensors[name] != nil }

  /// The values of a tensor, which must be there with this shape.
  mutating func take(_ name: String, shape: [Int]) throws(TrainingStateError) -> [Float] {
    guard let tensor = tensors.removeValue(forKey: name) else {
      throw .missing(tensor: name, shape: shape, known: names)
    }
    guard tensor.shape == shape else {
      throw .shape(tensor: name, expected: shape, got: tensor.shape)
    }
    return tensor.values
  }

  /// Refuses what is left.
  func finish() throws(TrainingStateError) {
    if let left = names.first(where: { tensors[$0] != nil }), let tensor = tensors[left] {
      throw .unexpected(tensor: left, shape: tensor.shape)
    }
  }
}

/// A tensor's values on the host, to be written to a file or read from one.
public struct NamedValues: Hashable, Sendable {
  /// The tensor's name, `layers.0.weight`.
  public let name: String
  /// Sizes, the slowest first.
  public let shape: [Int]
  /// Values in row-major order.
  public let values: [Float]

  /// A tensor of `shape`, whose sizes multiply to the number of values.
  public init(name: String, shape: [Int], values: [Float]) {
    precondition(
      shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
      "\(values.count) values for \(name) of shape \(shape)")
    self.name = name
    self.shape = shape
    self.values = values
  }
}
