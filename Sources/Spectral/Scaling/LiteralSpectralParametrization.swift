/// The spectral parametrization with the paper's formula as printed at every layer.
///
///     weights  σ = (1/√fanIn)·min{1, √(fanOut/fanIn)}, whatever the layer's role
///     biases and all factors as `SpectralParametrization`
///
/// It differs from `SpectralParametrization` in σ alone, and only for an input layer narrower than
/// its input and a readout with more outputs than inputs. Below the input size, first-layer
/// features grow as √width: ‖W‖_*‖x‖ bounds them, but inputs do not align with random weights.
///
/// Source: arXiv:2310.17813.
public struct LiteralSpectralParametrization: Parametrization {
  /// `spectral-literal`.
  public let name = "spectral-literal"
  /// One line for help texts.
  public let summary = "the spectral formula as printed at every layer, input and readout too"

  /// The rule has no settings.
  public init() {}

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    var scaling = SpectralParametrization().scaling(of: shape, family: family, decay: decay)
    if shape.kind == .weight {
      scaling.initialStd = SpectralParametrization.printedInitialStd(of: shape)
    }
    return scaling
  }
}
