import Foundation
import Spectral
import Testing
import Training

@testable import Experiments

/// Settings: each declared once, and read and written from there.
@Suite struct SettingTests {
  private func text(_ values: [String: JSONValue]) -> String? {
    #expect(throws: SettingProblems.self) { try Configuration(values) }?.description
  }

  @Test func names_areDistinctWithinWhatACommandTakes() {
    for group in [SweepSettings.declarations, CellSettings.declarations] {
      let names = (group + Configuration.declarations).map(\.name)
      #expect(Set(names).count == names.count && names.count > 25)
      for name in names { #expect(name.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "-" }) }
    }
  }

  @Test func values_areReadFromTextsAndFromJSON() throws {
    let texts = try Configuration([
      "depth": .string("2"), "bias": .string("true"), "input-multiplier": .string("0.5"),
      "hidden-pattern": .array([.string("1"), .string("4")]), "schedule": .string("cosine:0.1"),
      "weight-decay": .string("0.1:independent"), "norm": .string("layer"),
      "rate-rule": .array([.string("readout=sp:sgd")]), "lr-multiplier": .string("layers.0=2"),
      "init-multiplier": .string("layers.*=0.5"),
    ])
    let expected = Configuration {
      ($0.depth, $0.bias, $0.inputMultiplier, $0.hiddenPattern) = (2, true, 0.5, [1, 4])
      $0.schedule = ScheduleChoice(.cosine, warmup: .share(0.1))
      ($0.weightDecay, $0.norm) = (WeightDecayChoice(0.1, .independent), .layer)
      $0.rateRules = [try! RateRule(selector: "readout", parametrization: "sp", family: .sgd)]
      $0.rateMultipliers = [RateMultiplier(selector: "layers.0", factor: 2)]
      $0.initialMultipliers = [InitialMultiplier(selector: "layers.*", factor: 0.5)]
    }
    #expect(texts == expected)
    let data = try CanonicalJSON.compact(expected)
    #expect(try JSONDecoder().decode(Configuration.self, from: data) == expected)
    #expect(String(decoding: data, as: UTF8.self).contains(#""depth":2,"depth-rule":"complete-p""#))
    #expect(try Configuration([:]) == Configuration())
  }

  @Test func everyMistake_isReportedByName() {
    #expect(
      text(["depth": .string("x"), "batch-size": .integer(0), "dpeth": .integer(1)])
        == "dpeth: unknown setting\ndepth: expected an integer from 1 to 4096, got 'x'\n"
        + "batch-size: expected an integer from 1 to 16777216, got 0")
    for (name, value, expected) in [
      ("validation-fraction", "1", "a number from 0 to below 1"), ("bias", "1", "true or false"),
      ("input-multiplier", "0", "a number above 0"),
      ("input-multiplier", "inf", "a number above 0"),
      ("activation", "lrelu", "one of identity, relu, tanh, gelu, silu"),
      ("hidden-pattern", "1:0", "integers ≥ 1 such as 1:4:1"),
      (
        "weight-decay", "0.1:odd",
        "λ ≥ 0, or λ:KIND of coupled, decoupled, decoupled-scaled, independent"
      ),
      ("rate-rule", "readout", "SELECTOR=RULE or SELECTOR=RULE:FAMILY"),
      ("lr-multiplier", "readout=-1", "SELECTOR=FACTOR, the factor 0 or above"),
      ("init-multiplier", "hidden=0", "SELECTOR=FACTOR, the factor from 1e-6 to 1e6"),
      ("init-multiplier", "hidden=inf", "SELECTOR=FACTOR, the factor from 1e-6 to 1e6"),
      ("data", "", "a text that is not empty"),
    ] {
      #expect(
        text([name: .string(value)]) == "\(name): expected \(expected), got '\(value)'")
    }
  }

  @Test func alternatives_takeEachOthersPlace() throws {
    #expect(try Configuration(["epochs": .integer(3)]).length == .epochs(3))
    let begun = try Configuration(["epochs": .integer(3)])
    #expect(try begun.replacing(["steps": .integer(7)]).length == .steps(7))
    #expect(try begun.replacing([:]).length == .epochs(3))
    #expect(
      text(["epochs": .integer(3), "steps": .integer(7)])
        == "epochs: give epochs or steps, not both")
  }

  /// Share and steps, as names and as the trainer takes them.
  @Test(arguments: [
    ("constant", "constant", 0), ("warmup", "constant:0.1", 20), ("wsd", "wsd:0.1", 20),
    ("cosine:0.25", "cosine:0.25", 50), ("linear:30steps", "linear:30steps", 30),
    ("wsd:0", "wsd:0", 0),
  ])
  func schedules_haveTheirWarmup(text: String, canonical: String, steps: Int) throws {
    let choice = try #require(ScheduleChoice(setting: .string(text)))
    #expect(choice.setting == .string(canonical))
    #expect(ScheduleChoice(setting: choice.setting) == choice)
    let schedule = choice.schedule(of: 200)
    #expect(steps == 0 || schedule.factor(step: steps - 1, of: 200) == 1)
    #expect(steps < 2 || schedule.factor(step: steps - 2, of: 200) < 1)
  }

  @Test(arguments: ["", "often", "cosine:1", "cosine:0steps", "cosine:2.5steps", "cosine:0.1:2"])
  func schedulesThatAreNone_areRefused(text: String) {
    #expect(ScheduleChoice(setting: .string(text)) == nil)
  }

  /// Every number of steps of warm-up is met, however it divides the run's.
  @Test func warmupInSteps_isExact() {
    for total in [2, 3, 7, 150, 781, 99_999] {
      for steps in Set([1, total / 3, total / 2, total - 1]) where steps > 0 {
        let schedule = ScheduleChoice(.constant, warmup: .steps(steps)).schedule(of: total)
        #expect(schedule.factor(step: steps - 1, of: total) == 1)
        #expect(steps == 1 || schedule.factor(step: steps - 2, of: total) < 1)
      }
    }
  }

  @Test func whatMakesNoSenseTogether_isNamed() {
    func problems(
      _ optimizers: [OptimizerKind] = [.adam], names: [String] = ["sp"], widest: Int = 64,
      _ change: (inout Configuration) -> Void
    ) -> [String] {
      Configuration(change).problems(
        parametrizations: names, optimizers: optimizers, widths: [widest]
      ).map(\.description)
    }
    #expect(problems { _ in }.isEmpty)
    #expect(problems { $0.norm = .none } == ["norm: is for networks residual-mlp and transformer"])
    #expect(
      problems { $0.depthRule = .modular } == [
        "depth-rule: is for networks residual-mlp and transformer"
      ])
    #expect(
      problems { ($0.network, $0.hiddenPattern) = (.residualMLP, [2]) }
        == ["hidden-pattern: is for network mlp; expansion widens a block"])
    #expect(
      problems(widest: 1 << 24) { $0.hiddenPattern = [1, 4] }[0].hasPrefix(
        "hidden-pattern: factor 4 at width 16777216"))
    #expect(
      problems([.adam, .adamw]) { $0.weightDecay = WeightDecayChoice(1) }[0].hasPrefix(
        "weight-decay: these optimizers take decay in different ways"))
    #expect(
      problems([.spectralNormalized]) { $0.weightDecay = WeightDecayChoice(1, .coupled) }
        == ["weight-decay: spectral-normalized takes decay beside its update only"])
    #expect(
      problems(names: ["spectal"]) { _ in }[0].contains("did you mean 'spectral'?"))
    #expect(
      problems { $0.rateMultipliers = [RateMultiplier(selector: "layers.9", factor: 2)] }
        == [
          "lr-multiplier: expected all, input, hidden, readout or layers.0 … layers.4, got "
            + "'layers.9'"
        ])
    func starts(_ selector: String, _ network: NetworkKind = .mlp) -> [String] {
      problems {
        $0.network = network
        $0.initialMultipliers = [InitialMultiplier(selector: selector, factor: 2)]
      }
    }
    #expect(
      starts("layers.9")[0].hasPrefix(
        "init-multiplier: expected all, input, hidden, readout or layers.0"))
    #expect(
      starts("readout")
        == ["init-multiplier: readout starts at 0, with nothing drawn: see zero-readout"])
    #expect(
      starts("norm", .residualMLP) == ["init-multiplier: norm starts at 1, with nothing drawn"])
    #expect(starts("all").isEmpty && starts("layers.*").isEmpty)
    #expect(
      problems {
        $0.bias = true
        $0.initialMultipliers = [InitialMultiplier(selector: "layers.*.bias", factor: 2)]
      } == ["init-multiplier: layers.*.bias starts at 0, with nothing drawn"])
    func onSphere(_ selector: String) -> [String] {
      problems {
        $0.groups = [GroupChoice(setting: .string("hidden=spectral-sphere:1"))!]
        $0.initialMultipliers = [InitialMultiplier(selector: selector, factor: 2)]
      }
    }
    #expect(
      onSphere("layers.1")
        == ["init-multiplier: layers.1 starts on a sphere, whose radius is its norm"])
    #expect(onSphere("all").isEmpty)
    #expect(
      problems {
        $0.rateRules = [RateRule("all", named: "spectal")]
        $0.initialMultipliers = [InitialMultiplier(selector: "all", factor: 2)]
      }.count == 1)
    #expect(
      problems(names: ["spectal"]) {
        $0.initialMultipliers = [InitialMultiplier(selector: "all", factor: 2)]
      }.count == 1)
    #expect(
      problems { ($0.steps, $0.schedule) = (20, ScheduleChoice(.cosine, warmup: .steps(20))) }
        == ["schedule: expected a warm-up shorter than the run's 20 steps, got 20"])
  }

  @Test func whatMuonHasNoUseFor_isNamed() {
    func problems(
      _ optimizers: [OptimizerKind] = [.muon], groups: [String] = [],
      _ change: (inout Configuration) -> Void = { _ in }
    ) -> [String] {
      var settings = Configuration {
        ($0.bias, $0.groups) = (true, groups.compactMap { GroupChoice(setting: .string($0)) })
      }
      change(&settings)
      return settings.problems(parametrizations: ["sp"], optimizers: optimizers, widths: [64])
        .map(\.description)
    }
    #expect(problems(groups: ["readout=optimizer:muon,momentum:0.9", "input=beta1:0.5"]).isEmpty)
    #expect(problems([.adam]) { $0.muonScale = .jordan } == ["muon-scale: is for muon"])
    #expect(
      problems(groups: ["readout=optimizer:row-normalized"])
        == ["group: readout: row-normalized is for embeddings, and this is a matrix"])
    #expect(problems { $0.beta1 = 0.8 }.isEmpty)
    #expect(
      problems(groups: ["layers.1.bias=optimizer:muon"])
        == ["group: layers.1.bias: muon orthogonalises matrices, and this is a vector"])
    #expect(
      problems(groups: ["layers.1.weight=epsilon:1e-4"])
        == ["group: layers.1.weight: muon has no epsilon"])
    #expect(
      problems(groups: ["readout=momentum:0.8"]) == ["group: readout: adamw has no momentum"])
    #expect(
      problems([.adam], groups: ["hidden=optimizer:muon,weight-decay:0.1:coupled"])
        == ["group: muon takes decay beside its update only"])
    #expect(
      problems { $0.rateRules = [RateRule("layers.1.weight", named: "mup")] }
        == ["rate-rule: layers.1.weight: what muon updates has muon-scale in place of a rate rule"])
    #expect(problems { $0.rateRules = [RateRule("all", named: "mup")] }.isEmpty)
  }

  @Test func heldNorms_areOfMatrices_andHeldInOneWay() throws {
    func problems(_ groups: String...) -> [String] {
      Configuration {
        ($0.bias, $0.groups) = (true, groups.compactMap { GroupChoice(setting: .string($0)) })
      }.problems(parametrizations: ["sp"], optimizers: [.adam], widths: [64]).map(\.description)
    }
    #expect(problems("hidden=spectral-sphere:1", "all=spectral-cap:2,spectral-sphere:none").isEmpty)
    #expect(
      problems("layers.1.bias=spectral-cap:2")
        == ["group: layers.1.bias: spectral-cap is for matrices, and this is a vector"])
    #expect(
      problems("hidden=spectral-cap:2,spectral-sphere:1")
        == ["group: hidden: give one of spectral-sphere, spectral-cap"])
    #expect(
      problems("hidden=spectral-clip:2,spectral-cap:1")
        == ["group: hidden: give one of spectral-clip, spectral-cap"])
    for text in ["0", "-1", "1e7", "nan", "some"] {
      #expect(GroupChoice(setting: .string("hidden=spectral-sphere:\(text)")) == nil)
    }
    let group = try #require(GroupChoice(setting: .string("hidden=spectral-cap:none,lr:2")))
    #expect(group.setting == .string("hidden=lr:2,spectral-cap:none"))
    #expect(throws: SettingProblems.self) { try Configuration(["spectral-sphere": .number(0)]) }
    #expect(throws: SettingProblems.self) {
      try Configuration(["spectral-sphere": .number(1), "spectral-cap": .number(1)])
    }
    // Each takes the place of the others, where they are not given with it.
    for (before, after) in [
      ("spectral-sphere", "spectral-clip"), ("spectral-clip", "spectral-cap"),
    ] {
      let changed = try Configuration([before: .number(1)]).replacing([after: .number(3)])
      #expect(changed.values[before] == .null && changed.values[after] == .number(3))
    }
    #expect(
      try Configuration(["spectral-clip": .number(2)]).optimization(.adam, totalSteps: 1).constraint
        == SpectralConstraint(.clip, multiple: 2))
    let settings = try Configuration(["spectral-cap": .number(2)])
    #expect(
      settings.optimization(.adam, totalSteps: 1).constraint
        == SpectralConstraint(.cap, multiple: 2))
  }

  @Test func keysOfAGroup_areReadInAnyOrder() throws {
    let texts = [
      "hidden=weight-decay:0.1,optimizer:adamw", "hidden=optimizer:adamw,weight-decay:0.1",
    ]
    let groups = texts.compactMap { GroupChoice(setting: .string($0)) }
    #expect(groups.count == 2 && groups[0] == groups[1])
    for groups in [
      [groups[0]],
      ["layers.1=optimizer:adamw", "hidden=weight-decay:0.1"].compactMap {
        GroupChoice(setting: .string($0))
      },
    ] {
      let settings = Configuration { $0.groups = groups }
      let optimization = settings.optimization(.sgd, totalSteps: 10)
      let parameter = try #require(
        settings.network(width: 8, inputs: 4, outputs: 2).graph.parameters.first {
          $0.path == "layers.1.weight"
        })
      #expect(
        optimization.settings(for: parameter).weightDecay
          == WeightDecay(strength: 0.1, kind: .decoupled))
    }
  }

  /// Muon has its scale, whatever updates a parametrization is for.
  @Test func familyOfAParametrization_isThatOfTheRulesItGivesRates() throws {
    func problems(_ family: UpdateFamily, _ base: OptimizerKind, _ groups: [String]) throws
      -> [String]
    {
      let own = try CustomParametrization(name: "own", family: family)
      return Configuration {
        ($0.parametrizations, $0.groups) = (
          [own], groups.compactMap { GroupChoice(setting: .string($0)) }
        )
      }.problems(parametrizations: ["own"], optimizers: [base], widths: [64]).map(\.description)
    }
    #expect(try problems(.sgd, .sgd, ["hidden=optimizer:muon"]).isEmpty)
    #expect(try problems(.adam, .muon, []).isEmpty)
    #expect(try problems(.adam, .sgd, ["all=optimizer:adam"]).isEmpty)
    #expect(
      try problems(.sgd, .sgd, ["hidden=optimizer:adam"])
        == ["optimizer: parametrization own is for updates of family sgd, got adam of family adam"])
    #expect(try problems(.sgd, .muon, []).count == 1)
  }

  @Test func baseWidthOfACustomParametrization_isDividedByHeads() throws {
    func problems(baseWidth: Int, heads: Int?) throws -> [String] {
      let own = try CustomParametrization(name: "own", baseWidth: baseWidth)
      return Configuration {
        ($0.network, $0.parametrizations, $0.heads) = (.transformer, [own], heads)
      }.completed(given: heads == nil ? [] : ["heads"])
        .problems(parametrizations: ["own"], optimizers: [.adam], widths: [64]).map(\.description)
    }
    #expect(try problems(baseWidth: 32, heads: nil).isEmpty)
    #expect(
      try problems(baseWidth: 100, heads: nil) == [
        "parametrizations: base-width of own: expected multiples of 16 for heads of 16, got 100"
      ])
    #expect(
      try problems(baseWidth: 30, heads: 4) == [
        "parametrizations: base-width of own: expected multiples of 4 for 4 heads, got 30"
      ])
    #expect(try problems(baseWidth: 1 << 24, heads: nil).count == 1)
    #expect(throws: CustomParametrizationError.self) {
      try CustomParametrization(name: "own", baseWidth: 1 << 62)
    }
  }

  @Test func experiment_refusesWhatTheDataDoesNotAllow() {
    var experiment = Fixture.experiment
    #expect(experiment.problems.isEmpty)
    experiment.settings.batchSize = 1501
    experiment.settings.schedule = ScheduleChoice(.linear, warmup: .steps(3))
    #expect(
      experiment.problems.map(\.description) == [
        "batch-size: expected at most the 1500 training rows, got 1501",
        "schedule: expected a warm-up shorter than the run's 3 steps, got 3",
      ])
  }
}
