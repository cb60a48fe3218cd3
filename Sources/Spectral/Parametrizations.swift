/// Every parametrization there is; configurations, help texts and conformance tests read this list.
public enum Parametrizations {
  /// All parametrizations, in the order in which help texts show them; names are unique.
  public static let all: [any Parametrization] = [
    StandardParametrization(),
    NeuralTangentParametrization(),
    MaximalUpdateParametrization(),
    SpectralParametrization(),
    LiteralSpectralParametrization(),
  ]

  /// The parametrization of this exact name.
  ///
  /// - Throws: `UnknownParametrizationError` with the names there are and the closest one.
  public static func named(_ name: String) throws(UnknownParametrizationError)
    -> any Parametrization
  {
    guard let match = all.first(where: { $0.name == name }) else {
      throw UnknownParametrizationError(name: name, known: all.map(\.name))
    }
    return match
  }
}
