import Foundation
import OpenCL
import Spectral
import Tensors
import Testing
import Training

@testable import Experiments

@Suite struct RunConfigurationTests {
  /// Written by hand: sorted keys, no spaces, the rate at six decimals, and of the settings those
  /// that are not as by default. The identifier below is FNV-1a of exactly this text, computed
  /// outside.
  static let canonical =
    #"{"cell":{"log2LearningRate":-5.473684,"optimizer":"sgd","parametrization":"spectral","#
    + #""seed":1,"width":128},"facts":{"data":{"classes":10,"fingerprint":"00ff","inputs":64,"#
    + #""name":"digits","normalization":"x/8 - 1","trainCount":1500,"validationCount":297},"#
    + #""gemm":"openblas","precision":"fp32"},"settings":{"base-width":128,"depth":3,"epochs":3,"#
    + #""hidden-pattern":"1:4","input-multiplier":0.0625,"output-multiplier":32,"steps":null,"#
    + #""weight-decay":"0.1:independent"}}"#

  @Test func identifier_isTheHashOfTheGoldenText() {
    var hash = FNV1a()
    hash.combine(Array(Self.canonical.utf8))
    #expect(hash.hexadecimal == "010d5097ac1d63d1")
    #expect(Fixture.configuration().identifier == "010d5097ac1d63d1")
  }

  /// Published vectors of FNV-1a, 64 bits.
  @Test(arguments: [
    ("", 0xcbf2_9ce4_8422_2325 as UInt64), ("a", 0xaf63_dc4c_8601_ec8c),
    ("foobar", 0x8594_4171_f739_67e8),
  ])
  func fnv1a64_matchesPublishedVectors(text: String, hash: UInt64) {
    var state = FNV1a()
    state.combine(Array(text.utf8))
    #expect(state.value == hash)
  }

  /// Options that came later leave the runs of stores without them where they are, and change the
  /// name of those with them.
  @Test func rateRulesAndInit_enterTheIdentifier() throws {
    var experiment = Fixture.experiment
    experiment.settings.rateRules = [try RateRule(selector: "readout", parametrization: "sp")]
    let ruled = Fixture.configuration(experiment)
    experiment.settings.weightInit = .spectral
    let both = Fixture.configuration(experiment)
    let names = [Fixture.configuration(), ruled, both].map(\.identifier)
    #expect(Set(names).count == 3)
    let data = try CanonicalJSON.compact(both)
    #expect(try JSONDecoder().decode(RunConfiguration.self, from: data) == both)
    #expect(String(decoding: data, as: UTF8.self).contains(#""rate-rule":["readout=sp"]"#))
  }

  /// A precision is part of a run's name where it is not fp32, which names without it mean.
  @Test func precision_entersTheIdentifier() throws {
    var names = [Fixture.configuration().identifier]
    for precision in ProductPrecision.allCases where precision != .fp32 {
      var experiment = Fixture.experiment
      experiment.facts.precision = precision
      let configuration = Fixture.configuration(experiment)
      names.append(configuration.identifier)
      let data = try CanonicalJSON.compact(configuration)
      #expect(try JSONDecoder().decode(RunConfiguration.self, from: data) == configuration)
    }
    #expect(Set(names).count == ProductPrecision.allCases.count)
  }

  @Test func identifier_hasSixteenDigitsAndDiffersByEveryPartOfTheCell() {
    var identifiers: Set<String> = []
    for seed in 0..<100 as Range<UInt64> {
      identifiers.insert(Fixture.configuration(seed: seed).identifier)
    }
    identifiers.insert(Fixture.configuration(width: 256).identifier)
    identifiers.insert(Fixture.configuration(rate: -5).identifier)
    var other = Fixture.configuration()
    other.cell.optimizer = .adam
    identifiers.insert(other.identifier)
    other.experiment.settings.batchSize = 65
    identifiers.insert(other.identifier)
    #expect(identifiers.count == 104)
    #expect(identifiers.allSatisfy { $0.count == 16 })
  }

  @Test func identifier_isOneForATypedAndAComputedRate() throws {
    let computed = try SweepGrid.parseRates("-8:0:20")[6]
    #expect(computed != -5.473684)
    #expect(
      Fixture.configuration(rate: computed).identifier
        == Fixture.configuration(rate: -5.473684).identifier)
    #expect(
      Fixture.configuration(rate: -0.0).identifier == Fixture.configuration(rate: 0).identifier)
  }

  @Test func configuration_roundTripsThroughJSON() throws {
    var configuration = Fixture.configuration(seed: .max)
    configuration.experiment.settings.length = .steps(500)
    configuration.experiment.settings.weightDecay = WeightDecayChoice()
    configuration.experiment.settings.absolute = true
    let data = try CanonicalJSON.pretty(configuration)
    #expect(try JSONDecoder().decode(RunConfiguration.self, from: data) == configuration)
  }

  /// A store reads thousands of runs of its experiment by their cells alone, where their files are as it
  /// writes them.
  @Test(arguments: [[:], ["depth": .integer(4), "momentum": .number(0.5)] as [String: JSONValue]])
  func texts_haveTheCellOfTheWholeConfiguration(overrides: [String: JSONValue]) throws {
    var configuration = Fixture.configuration(seed: .max)
    configuration.cell = RunCell(
      parametrization: "a \"b\"\n,", optimizer: .lion, width: 7, log2LearningRate: -1.5, seed: 3,
      overrides: overrides)
    let content = try CanonicalJSON.pretty(configuration)
    let texts = configuration.experiment.texts
    #expect(texts.cell(in: content) == configuration.cell)
    #expect(
      texts.identifier(of: configuration.cell)
        == CanonicalJSON.fingerprint(
          JSONValue.object([
            "cell": try JSONValue(of: configuration.cell),
            "facts": try JSONValue(of: configuration.experiment.facts),
            "settings": .object(configuration.experiment.settings.changes),
          ])))
    var other = configuration.experiment
    other.settings.depth += 1
    for count in 0..<content.count { #expect(texts.cell(in: content.prefix(count)) == nil) }
    #expect(texts.cell(in: content + Data([0x20])) == nil)
    #expect(other.texts.cell(in: content) == nil)
    #expect(try texts.cell(in: CanonicalJSON.compact(configuration)) == nil)
  }

  /// Copies of an experiment share its content, until one is changed.
  @Test func changedCopy_leavesTheOriginal() {
    let experiment = Fixture.experiment
    var copy = experiment
    copy.settings.depth += 1
    copy.facts.gemm = "another"
    #expect(copy.settings.depth == experiment.settings.depth + 1)
    #expect(copy.facts.gemm == "another" && experiment.facts.gemm == "openblas")
    #expect(copy != experiment && copy.identifier != experiment.identifier)
    copy = Experiment(experiment.settings, experiment.facts)
    #expect(copy == experiment && copy.hashValue == experiment.hashValue)
  }

  /// Where the data lies is no part of what a run is.
  @Test func placeOfTheData_isLeftOut() {
    var settings = Configuration()
    settings.data = "/somewhere/data.csv"
    let experiment = Experiment(settings, Fixture.experiment.facts)
    #expect(experiment == Experiment(Configuration(), Fixture.experiment.facts))
  }

  @Test func hiddenWidths_repeatThePattern() {
    var experiment = Fixture.experiment
    experiment.settings.depth = 5
    experiment.settings.hiddenPattern = [1, 4, 2]
    #expect(experiment.settings.hiddenWidths(width: 10) == [10, 40, 20, 10, 40])
  }

  @Test func learningRate_isAPowerOfTwo() {
    #expect(Fixture.configuration(rate: -3).cell.learningRate == 0.125)
  }

  @Test func result_holdsNoNonFiniteNumber() throws {
    let result = RunResult(
      epochs: 1, steps: 2, firstEpochTrainLoss: .infinity, trainLoss: .nan,
      validationLoss: -.infinity, validationAccuracy: .nan, outcome: .diverged, divergedAtStep: 2,
      seconds: 0.5, device: "cpu")
    #expect(
      String(decoding: try CanonicalJSON.compact(result), as: UTF8.self)
        == #"{"device":"cpu","divergedAtStep":2,"epochs":1,"outcome":"diverged","seconds":0.5,"#
        + #""steps":2}"#)
  }

  @Test func record_isFlatAndRoundTrips() throws {
    let record = RunRecord(
      epoch: 1, step: 782, values: ["train_loss": 1.95, "validation_loss": .nan])
    let data = try CanonicalJSON.compact(record)
    #expect(
      String(decoding: data, as: UTF8.self) == #"{"epoch":1,"step":782,"train_loss":1.95}"#)
    #expect(try JSONDecoder().decode(RunRecord.self, from: data) == record)
  }
}
