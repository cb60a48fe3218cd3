import Spectral
import Testing
import Training

@testable import Experiments

/// Settings with custom parametrizations, rate rules and multipliers, as the trainer sees them.
@Suite struct CustomParametrizationSettingTests {
  private func group(_ name: String, _ experiment: Experiment) -> RunGroup {
    RunGroup(
      experiment: experiment,
      cells: [
        RunCell(
          parametrization: name, optimizer: .adam, width: 128, log2LearningRate: -5, seed: 1)
      ])
  }

  private func scalings(_ name: String, _ experiment: Experiment) throws -> [WidthScaling] {
    let group = group(name, experiment)
    return group.training.scalings(under: try group.replicas()[0].parametrization)
  }

  private func own(baseWidth: Int? = nil) throws -> CustomParametrization {
    try CustomParametrization(
      name: "own", baseWidth: baseWidth,
      hidden: .init(
        initialStd: PowerLaw(fanIn: -0.5), learningRate: PowerLaw(multiplier: 3, fanIn: -1)))
  }

  @Test func ownBaseWidth_replacesTheSweeps() throws {
    var experiment = Fixture.experiment
    experiment.settings.baseWidth = 32
    experiment.settings.parametrizations = [try own()]
    #expect(try scalings("own", experiment)[1].learningRateFactor == 3.0 / 4)
    experiment.settings.parametrizations = [try own(baseWidth: 64)]
    #expect(try scalings("own", experiment)[1].learningRateFactor == 3.0 / 2)
    #expect(try scalings("mup", experiment)[1].learningRateFactor == 1.0 / 4)
    experiment.settings.absolute = true
    #expect(try scalings("own", experiment)[1].learningRateFactor == 3.0 / 2)
  }

  @Test func rateRules_mayNameCustomOnes_andMultipliersComeLast() throws {
    var experiment = Fixture.experiment
    experiment.settings.baseWidth = 32
    experiment.settings.parametrizations = [try own()]
    experiment.settings.rateRules = [
      try RateRule(selector: "hidden", parametrization: "own", or: [try own()])
    ]
    experiment.settings.rateMultipliers = [
      RateMultiplier(selector: "all", factor: 2),
      RateMultiplier(selector: "layers.1", factor: 0.5),
    ]
    let plain = try scalings("sp", Fixture.experiment)
    let rates = try scalings("sp", experiment).map(\.learningRateFactor)
    // Layers 1 and 2 are hidden, of fan-in 128 and 512: both four times the base's.
    let expected: [Double] = [2, 0.375, 1.5, 2]
    #expect(rates == expected)
    #expect(try scalings("sp", experiment).map(\.initialStd) == plain.map(\.initialStd))
    #expect(throws: UnknownParametrizationError.self) {
      try RateRule(selector: "hidden", parametrization: "own")
    }
  }

  @Test func definitions_areInTheIdentifier() throws {
    var experiment = Fixture.experiment
    let without = group("sp", experiment)
    experiment.settings.parametrizations = [try own()]
    let with = group("sp", experiment)
    experiment.settings.parametrizations = [try own(baseWidth: 64)]
    let other = group("sp", experiment)
    let names = [without, with, other].map {
      RunConfiguration($0.experiment, $0.cells[0]).identifier
    }
    #expect(Set(names).count == 3)
  }
}
