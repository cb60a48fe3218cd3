import OpenCL

/// An update rule that treats every element of a weight alike: one snippet of OpenCL C, compiled into
/// the plain update kernel and into the epilogue of the gradient's product.
///
///     static let lion = ElementwiseRule(
///       name: "lion", state: ["mean"], hyperparameters: ["beta1", "beta2"],
///       direction: """
///         T d = sign(beta1 * mean + (1.0f - beta1) * g);
///         mean = beta2 * mean + (1.0f - beta2) * g;
///         """)
///
/// The kernel then makes W ← (1 − s·η·λ)·W − s·η·d of the direction d. In the snippet's scope:
/// - `T`: `float`, or a vector of several neighbours.
/// - `w`: the weight. `g`: its gradient, with coupled decay g + λ·w.
/// - each name of `state`: what the rule keeps, of type `T`, to be read and written.
/// - each name of `hyperparameters`: a `float` of the replica, the same at every step.
/// - each name of `corrections`: a `float` of the replica that is another at every step.
/// - `epsilon`: ε_l, times the parametrization's factor. `schedule`: the learning rate's factor.
///
/// The snippet declares `T d`. Its names are none of the kernels' own (`reservedNames`), nor in capitals.
public struct ElementwiseRule: Hashable, Sendable, CustomStringConvertible {
  /// In compilers' messages.
  public let name: String
  /// Names of the tensors of the weight's shape that are kept between steps, 0 at first; at most two.
  public let state: [String]
  /// Names of the numbers that stay the same.
  public let hyperparameters: [String]
  /// Names of the numbers that change from step to step.
  public let corrections: [String]
  /// OpenCL C: statements that declare the direction `T d`.
  public let direction: String

  /// A rule; traps where it keeps more than two tensors, or a name is reserved or there twice.
  public init(
    name: String, state: [String] = [], hyperparameters: [String] = [],
    corrections: [String] = [], direction: String
  ) {
    precondition(state.count <= Self.mostState, "\(name) keeps \(state.count) tensors")
    let names = state + hyperparameters + corrections
    precondition(
      Set(names).count == names.count && Self.reservedNames.isDisjoint(with: names),
      "\(name): names \(names) of which some are reserved or there twice")
    (self.name, self.state, self.hyperparameters) = (name, state, hyperparameters)
    (self.corrections, self.direction) = (corrections, direction)
  }

  /// The name.
  public var description: String { name }

  /// By the name alone, which few rules share: kernels are looked up by their rule at every launch.
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }

  /// Names that kernels use themselves where a snippet stands.
  public static let reservedNames: Set<String> = [
    "T", "active", "alpha", "change", "column", "columns", "count", "d", "e", "end", "epsilon",
    "first", "first_state", "frozen", "g", "gradient", "height", "index", "now", "numbers", "own",
    "pitch", "rate", "rates", "records", "replica", "result", "row", "s", "scale", "scales",
    "schedule", "second", "second_state", "spans", "start", "step", "step_row", "steps", "tile",
    "w", "weight", "weights",
  ]

  /// Kernels take two tensors of state.
  private static let mostState = 2

  /// Numbers of a step: the schedule's factor and the corrections.
  var stepNumbers: Int { 1 + corrections.count }

  /// The macros that Kernels/rules.cl makes the kernels of.
  var macros: String {
    func floats(_ names: [String], _ array: String, from first: Int) -> String {
      names.enumerated().map { "float \($1) = \(array)[\(first + $0)];" }.joined(separator: " ")
    }
    let lines = direction.split(separator: "\n").map { line in
      String(line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line)
    }
    let numbers = floats(hyperparameters, "(numbers)", from: 0)
    let steps = floats(["schedule"] + corrections, "(step)", from: 0)
    let names = zip(["RULE_FIRST", "RULE_SECOND"], state).map { "#define \($0) \($1)" }
    return """
      #define STATES \(state.count)
      #define HYPERPARAMETERS \(hyperparameters.count)
      #define STEP_NUMBERS \(stepNumbers)
      #define RULE_NUMBERS(numbers, step) \(numbers) \(steps)
      #define RULE_DIRECTION(T) \(lines.joined(separator: " "))
      \(names.joined(separator: "\n"))

      """
  }
}

/// The rules that products are tried with.
extension ElementwiseRule {
  /// d = g.
  public static let gradientDescent = ElementwiseRule(name: "sgd", direction: "T d = g;")

  /// m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²;  d = m·c₁/(√(v·c₂) + ε).
  ///
  /// Source: Kingma & Ba, arXiv:1412.6980; c = 1/(1 − βᵗ).
  public static let adam = ElementwiseRule(
    name: "adam", state: ["mean", "square"], hyperparameters: ["beta1", "beta2"],
    corrections: ["correction1", "correction2"],
    direction: """
      mean = beta1 * mean + (1.0f - beta1) * g;
      square = beta2 * square + (1.0f - beta2) * g * g;
      T d = mean * correction1 / (sqrt(square * correction2) + epsilon);
      """)
}
