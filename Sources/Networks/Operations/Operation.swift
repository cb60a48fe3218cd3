import Spectral
import Tensors

/// One kind of step of a network, with everything that is to be known of it.
///
/// Values are [replica, rows, columns]. A custom operation is added by `GraphBuilder.apply`.
public protocol Operation: Sendable {
  /// Columns of the value, for inputs of these columns; traps where they do not fit.
  func columns(of inputs: [Extent]) -> Extent
  /// The parameters, by their paths within the operation's module; none where not said.
  func parameters(of inputs: [Extent]) -> [NetworkParameter]
  /// The value, with what `backward` needs beside inputs and value.
  ///
  /// - parameters: in the order of `parameters(of:)`.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func forward(_ inputs: [Tensor], _ parameters: [Parameter], compute: Compute) throws
    -> OperationValue
  /// The gradients with respect to the inputs that want one, from that with respect to the value; hands
  /// over the parameters' gradients.
  ///
  /// The gradient given is left as it is unless `pass.mayOverwrite`; it may be returned, and one tensor for
  /// several inputs. Inputs'
  /// gradients are made before a parameter's is handed over, as receiving it may change the parameter.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `receive` throws.
  func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?]
  /// What the operation does to signals in wide networks; nil where that is not predicted.
  var signal: (any SignalRule)? { get }
  /// What is measured of the operation and compared between widths; nothing where not said.
  var observation: Observation? { get }
  /// The operation in a network `factor` times as wide; itself where not said.
  func widened(by factor: Int) -> Self
}

extension Operation {
  /// None.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] { [] }
  /// Nothing.
  public var observation: Observation? { nil }
  /// Not predicted.
  public var signal: (any SignalRule)? { nil }
  /// The same, for operations that hold no extents.
  public func widened(by factor: Int) -> Self { self }
}

/// What is measured of an operation. The first parameter of one with a weight is what the spectral condition
/// is about.
public enum Observation: Hashable, Sendable {
  /// Norms of the matrix that it multiplies by, and its features.
  case matrix
  /// Norms of the rows of the table that it picks from, and its features.
  case table
  /// The logits of attention, which are its features.
  case attention
}

/// An operation's value.
public struct OperationValue {
  /// The value.
  public let output: Tensor
  /// What the operation's `backward` needs beside inputs and value.
  public let saved: [Tensor]

  /// A value, and what is kept for the way back.
  public init(_ output: Tensor, saved: [Tensor] = []) {
    (self.output, self.saved) = (output, saved)
  }
}

/// What an operation needs on the way back.
public struct BackwardPass {
  /// The values that it took.
  public let inputs: [Tensor]
  /// What it gave.
  public let value: OperationValue
  /// Its parameters.
  public let parameters: [Parameter]
  /// Whether each input's gradient is needed.
  public let wantsInput: [Bool]
  /// Whether the gradient given is the operation's own, to be written over.
  public let mayOverwrite: Bool
  /// What to compute with.
  public let compute: Compute

  /// What an operation needs that is not in a network, for tests of it.
  public init(
    inputs: [Tensor], value: OperationValue, parameters: [Parameter], wantsInput: [Bool],
    mayOverwrite: Bool, compute: Compute
  ) {
    (self.inputs, self.value, self.parameters) = (inputs, value, parameters)
    (self.wantsInput, self.mayOverwrite, self.compute) = (wantsInput, mayOverwrite, compute)
  }
}

/// Takes each parameter's gradient as it comes; the parameter may be changed at once.
public typealias GradientReceiver = (Parameter, ParameterGradient) throws -> Void
