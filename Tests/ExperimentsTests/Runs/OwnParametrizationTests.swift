import Spectral
import Testing
import Training

@testable import Experiments

/// Settings with parametrizations of one's own, rate rules and multipliers, as the trainer sees them.
@Suite struct OwnParametrizationTests {
  private func group(_ name: String, _ settings: RunSettings) -> RunGroup {
    RunGroup(
      settings: settings,
      cells: [
        RunCell(
          parametrization: name, optimizer: .adam, width: 128, log2LearningRate: -5, seed: 1)
      ])
  }

  private func scalings(_ name: String, _ settings: RunSettings) throws -> [WidthScaling] {
    let group = group(name, settings)
    return group.training.scalings(under: try group.replicas()[0].parametrization)
  }

  private func own(baseWidth: Int? = nil) throws -> CustomParametrization {
    try CustomParametrization(
      name: "own", baseWidth: baseWidth,
      hidden: .init(
        initialStd: PowerLaw(fanIn: -0.5), learningRate: PowerLaw(multiplier: 3, fanIn: -1)))
  }

  @Test func ownBaseWidth_replacesTheSweeps() throws {
    var settings = Fixture.settings
    settings.baseWidth = 32
    settings.parametrizations = [try own()]
    #expect(try scalings("own", settings)[1].learningRateFactor == 3.0 / 4)
    settings.parametrizations = [try own(baseWidth: 64)]
    #expect(try scalings("own", settings)[1].learningRateFactor == 3.0 / 2)
    #expect(try scalings("mup", settings)[1].learningRateFactor == 1.0 / 4)
    settings.baseWidth = nil
    #expect(try scalings("own", settings)[1].learningRateFactor == 3.0 / 2)
  }

  @Test func rateRules_mayNameOnesOwn_andMultipliersComeLast() throws {
    var settings = Fixture.settings
    settings.baseWidth = 32
    settings.parametrizations = [try own()]
    settings.rateRules = [try RateRule(place: "hidden", parametrization: "own", or: [try own()])]
    settings.rateMultipliers = [
      RateMultiplier(place: "all", factor: 2), RateMultiplier(place: "layers.1", factor: 0.5),
    ]
    let plain = try scalings("sp", Fixture.settings)
    let rates = try scalings("sp", settings).map(\.learningRateFactor)
    // Layers 1 and 2 are hidden, of fan-in 128 and 512: both four times the base's.
    let expected: [Double] = [2, 0.375, 1.5, 2]
    #expect(rates == expected)
    #expect(try scalings("sp", settings).map(\.initialStd) == plain.map(\.initialStd))
    #expect(throws: UnknownParametrizationError.self) {
      try RateRule(place: "hidden", parametrization: "own")
    }
  }

  @Test func definitions_areInTheIdentifier() throws {
    var settings = Fixture.settings
    let without = group("sp", settings)
    settings.parametrizations = [try own()]
    let with = group("sp", settings)
    settings.parametrizations = [try own(baseWidth: 64)]
    let other = group("sp", settings)
    let names = [without, with, other].map {
      RunConfiguration(settings: $0.settings, cell: $0.cells[0]).identifier
    }
    #expect(Set(names).count == 3)
  }
}
