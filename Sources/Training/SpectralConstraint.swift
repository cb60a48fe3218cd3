import Networks
import Spectral
import Tensors

/// What is done to a matrix after each step so that its largest singular value stays where it is to be.
///
///     sphere   W ← R·W/‖W‖_*                R = multiple·√(fanOut/fanIn)
///     cap      W ← W·min(1, R/‖W‖_*)
///     clip     W ← U·min(S, R)·Vᵀ of W = U S Vᵀ
///
/// W counts with its multiplier, so that R is the norm of what the layer computes. A matrix of zeros stays as
/// it is. For example:
///
///     var optimization = Optimization(.adam)
///     optimization.constraint = SpectralConstraint(.sphere, multiple: 1)
///     optimization.groups = [ParameterGroup("readout", constraint: SpectralConstraint(.sphere, multiple: nil))]
public struct SpectralConstraint: Codable, Hashable, Sendable {
  /// How a norm is held.
  public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
    /// At R.
    case sphere
    /// At R or below, by the scale of the whole matrix.
    case cap
    /// At R or below, by the singular values that are above it; the others stay.
    case clip
  }

  /// How the norm is held.
  public let kind: Kind
  /// R/√(fanOut/fanIn), within `range`; nil: the norm is not held, which a group says to take its parameters
  /// out of what holds for all.
  public let multiple: Double?

  /// What a multiple can be.
  public static let range = 1e-6...1e6

  /// A constraint of this kind. Traps unless the multiple is nil or within `range`.
  public init(_ kind: Kind, multiple: Double?) {
    precondition(
      multiple.map(Self.range.contains) ?? true, "a spectral \(kind) of \(multiple ?? 0)")
    (self.kind, self.multiple) = (kind, multiple)
  }

  /// R of a parameter of this shape; nil where its norm is not held.
  public func norm(of shape: ParameterShape) -> Double? {
    multiple.map { $0 * (Double(shape.fanOut) / Double(shape.fanIn)).squareRoot() }
  }
}

/// Holds the norms of some parameters' matrices: found together, so that launches are few, and then each scaled
/// or clipped.
///
/// Norms are found by a power iteration that starts each step where the last one ended. A matrix that leaves 0
/// after the first step is found with few passes from noise: its norm is held more and more exactly over the
/// next. Its vectors are among what checkpoints keep.
final class HeldNorms {
  /// Whose norms are held, in at least one replica.
  let parameters: [Parameter]
  /// Whether each is, [parameter][replica].
  let holds: [[Bool]]
  private let bounds: [Tensor]
  /// Of the parameters that are clipped in some replica, where; infinite in the others.
  private let clips: [(caps: Tensor, thresholds: Tensor)?]
  private let iteration: PowerIteration
  private let compute: Compute

  /// Passes over the matrices in the first step and before it, where nothing is known of them.
  private static let firstPasses = 48
  /// Passes in any other step. Measured on perceptrons of widths 40 and 128 under Muon, SGD, Adam and
  /// normalised updates, by LAPACK: where a step changes a matrix by a few percent of its norm, norms are off
  /// by at most 1e-4; where it changes it by a third in all directions alike, as Muon's greatest rates do, by
  /// up to 2.5e-2 (two passes: 5e-2).
  private static let passes = 4
  /// The share of R above which matrices are clipped: norms come from below, off by up to 2.5 %.
  private static let clipThreshold: Float = 0.97

  /// - constraints: of each parameter, each replica's; nil where its norm is not held. At least one is.
  /// - Throws: `OpenCLError` where memory is short.
  init(
    _ parameters: [(parameter: Parameter, constraints: [SpectralConstraint?])], compute: Compute
  ) throws {
    self.compute = compute
    self.parameters = parameters.map(\.parameter)
    holds = parameters.map { $0.constraints.map { $0 != nil } }
    let norms = parameters.map { parameter, constraints in
      constraints.map { constraint in
        constraint?.norm(of: parameter.shape).map { Float($0 / Double(parameter.multiplier)) }
      }
    }
    bounds = try zip(parameters, norms).map { own, norms in
      try compute.tensor(
        zip(own.constraints, norms).flatMap { constraint, norm -> [Float] in
          guard let kind = constraint?.kind, let norm, kind != .clip else { return [0, .infinity] }
          return [kind == .sphere ? norm : 0, norm]
        }, replicas: norms.count, rows: 1, columns: 2)
    }
    clips = try zip(parameters, norms).map { own, norms in
      let caps = zip(own.constraints, norms).map { constraint, norm in
        constraint?.kind == .clip ? norm ?? .infinity : .infinity
      }
      guard caps.contains(where: \.isFinite) else { return nil }
      func perReplica(_ values: [Float]) throws -> Tensor {
        try compute.tensor(values, replicas: values.count, rows: 1, columns: 1)
      }
      return (try perReplica(caps), try perReplica(caps.map { Self.clipThreshold * $0 }))
    }
    iteration = try PowerIteration(
      shapes: parameters.map {
        let value = $0.parameter.value
        return (replicas: value.replicas, rows: value.rows, columns: value.columns)
      }, seed: 1, compute: compute)
  }

  /// Brings matrices within their bounds of which nothing is known.
  ///
  /// - Throws: `OpenCLError`.
  func begin(active: Tensor) throws {
    try iteration.reset()
    try hold(passes: Self.firstPasses, active: active)
  }

  /// Brings them within their bounds after a step.
  ///
  /// - isFirst: whether it is the first of all, in which a matrix of zeros begins to be one.
  /// - active: 0 for replicas that have diverged and stay as they are; [replica, 1, 1].
  /// - Throws: `OpenCLError`.
  func hold(isFirst: Bool, active: Tensor) throws {
    try hold(passes: isFirst ? Self.firstPasses : Self.passes, active: active)
  }

  private func hold(passes: Int, active: Tensor) throws {
    let norms = try iteration.enqueue(parameters.map(\.value), iterations: passes).spectral
    for (index, parameter) in parameters.enumerated() {
      try compute.bringWithin(
        bounds[index], parameter.value, norms: norms[index], active: active)
      if let clip = clips[index] {
        try compute.clipSingularValues(
          of: parameter.value, at: clip.caps, above: clip.thresholds, norms: norms[index],
          active: active)
      }
    }
  }

  // MARK: Checkpoints

  /// What the next step starts from: of each replica, for the parameters whose norms are held in it; waits
  /// for the device.
  ///
  /// - Throws: `OpenCLError`.
  func states() throws -> [[NamedValues]] {
    let memory = try iteration.memory() ?? []
    return holds[0].indices.map { replica in
      parameters.indices.filter { holds[$0][replica] }.map { index in
        let values = memory[index][replica]
        return NamedValues(
          name: Self.name(of: parameters[index]), shape: [values.count], values: values)
      }
    }
  }

  /// Takes what `states` gave from each replica's shelf.
  ///
  /// - Returns: what `restore` continues from.
  /// - Throws: `TrainingStateError`, `OpenCLError`.
  func take(from shelves: inout [TensorShelf]) throws -> [[[Float]]] {
    // A replica whose norm is not held keeps what is here: nobody's.
    var memory = try iteration.memory() ?? []
    for (index, parameter) in parameters.enumerated() {
      for replica in shelves.indices where holds[index][replica] {
        memory[index][replica] = try shelves[replica].take(
          Self.name(of: parameter), shape: [iteration.memoryCount(index)])
      }
    }
    return memory
  }

  /// Continues from what `take` gave.
  ///
  /// - Throws: `OpenCLError`.
  func restore(_ memory: [[[Float]]]) throws { try iteration.restore(memory) }

  private static func name(of parameter: Parameter) -> String { "\(parameter.name).norm_vectors" }
}
