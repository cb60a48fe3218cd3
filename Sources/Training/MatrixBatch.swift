import Networks
import Tensors

/// Parameters of one shape whose directions one rule makes together, once all their gradients of a step have
/// come.
final class MatrixBatch {
  private let rule: any MatrixUpdateRule
  private let compute: Compute
  /// Parameters that may come.
  private(set) var size = 0
  private var matrices: Tensor?
  private var waiting: [Waiting] = []

  /// A parameter whose snippet has been applied.
  private struct Waiting {
    let parameter: Parameter
    let step: UpdateStep
    let observeDirection: ((_ direction: Tensor, _ matrix: Tensor) throws -> Void)?
    let observe: ((Tensor?) throws -> Void)?
  }

  /// Most floats of the directions of a batch: with more, a matrix is work enough for any device.
  static let mostElements = 1 << 22

  /// None yet.
  init(_ rule: any MatrixUpdateRule, compute: Compute) {
    (self.rule, self.compute) = (rule, compute)
  }

  /// Whether no gradient waits for others.
  var isFinished: Bool { waiting.isEmpty }

  /// Whether another parameter like `value` has room.
  func hasRoom(for value: Tensor) -> Bool { (size + 1) * value.count <= Self.mostElements }

  /// Counts a parameter in.
  func enter() { size += 1 }

  /// Applies the rule's snippet to a gradient; `finish` does the rest.
  ///
  /// - observeDirection: is called with the direction and the matrix that it was made of, before the update;
  ///   nil where nobody looks.
  /// - observe: is called with ΔW, where the step records it; nil where nobody looks.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func take(
    _ parameter: Parameter, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    observeDirection: ((_ direction: Tensor, _ matrix: Tensor) throws -> Void)?,
    observe: ((Tensor?) throws -> Void)?
  ) throws {
    let value = parameter.value
    let matrices =
      try matrices
      ?? compute.tensor(
        replicas: size * value.replicas, rows: value.rows, columns: value.columns)
    self.matrices = matrices
    try step.writeDirection(
      of: value, gradient: gradient, state: state, to: matrices, part: waiting.count,
      compute: compute)
    waiting.append(
      Waiting(
        parameter: parameter, step: step, observeDirection: observeDirection, observe: observe))
  }

  /// Updates all that wait.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, and what observing throws.
  func finish() throws {
    guard let matrices else { return }
    precondition(waiting.count == size, "\(waiting.count) of \(size) gradients of a step have come")
    let waiting = waiting
    (self.matrices, self.waiting) = (nil, [])
    let directions = try rule.directions(of: matrices, compute: compute)
    for (part, own) in waiting.enumerated() {
      func ofPart(_ all: Tensor) throws -> Tensor {
        size == 1 ? all : try compute.copy(part, of: all, like: own.parameter.value)
      }
      try own.observeDirection?(ofPart(directions), ofPart(matrices))
      let weightDelta = try own.step.apply(
        directions: directions, part: part, to: own.parameter.value, compute: compute)
      try own.observe?(weightDelta)
    }
  }
}
