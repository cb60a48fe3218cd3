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
  /// - others: what there is beside the built-in ones.
  /// - Throws: `UnknownParametrizationError` with the names there are and the closest one.
  public static func named(
    _ name: String, or others: [CustomParametrization] = []
  ) throws(UnknownParametrizationError) -> any Parametrization {
    let known = all + others as [any Parametrization]
    guard let match = known.first(where: { $0.name == name }) else {
      throw UnknownParametrizationError(name: name, known: known.map(\.name))
    }
    return match
  }
}
