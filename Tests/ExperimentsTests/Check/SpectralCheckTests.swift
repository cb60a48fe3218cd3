import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

/// The check tells rules that meet the spectral condition from rules that do not, and the layer at
/// fault from those that only pass on what it does.
@Suite(.serialized) struct SpectralCheckTests {
  let compute: Compute
  static let widths = [32, 64, 128, 256]

  init() throws {
    compute = try Compute.idle()
  }

  /// - inputs: 64 of the built-in glyphs, or more by repeating them.
  private func check(
    _ parametrization: String, _ optimizer: OptimizerKind, pattern: HiddenPattern = [1],
    activation: Activation = .relu, rules: [RateRule] = [], zeroReadout: Bool = false,
    widths: [Int] = Self.widths, seeds: Int = 3, wideInput: Bool = false, depth: Int = 3,
    norm: NormChoice? = nil, muonScale: MuonScale = .condition
  ) throws -> CheckReport {
    let glyphs = DataSet.glyphs(count: 300)
    let set =
      wideInput
      ? DataSet(
        name: "tiled",
        features: .floats(
          (0..<300).flatMap { row in
            (0..<640).map { glyphs[row, $0 % 64] }
          }), labels: glyphs.labels, inputs: 640, classes: 10) : glyphs
    let data = try TrainingData(LoadedData(train: set))
    var configuration = Configuration {
      ($0.depth, $0.hiddenPattern, $0.activation) = (depth, pattern, activation)
      ($0.steps, $0.baseWidth, $0.rateRules, $0.zeroReadout) = (2, 32, rules, zeroReadout)
    }
    configuration.muonScale = muonScale
    if let norm { (configuration.network, configuration.norm) = (.residualMLP, norm) }
    let experiment = Experiment(configuration, Facts(data: data, compute: compute))
    return try SpectralCheck(
      ScaleRuns(
        experiment: experiment, parametrization: parametrization, optimizer: optimizer,
        sizes: widths, log2LearningRate: optimizer.parametrizedFamily == .adam ? -12 : -6,
        seeds: (1...UInt64(seeds)).map { $0 }, data: data, compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
    ).run()
  }

  @Test(
    arguments: ["mup", "spectral"],
    [OptimizerKind.sgd, .adam, .muon, .spectralNormalized, .frobeniusNormalized])
  func rulesThatMeetTheCondition_pass(_ name: String, _ optimizer: OptimizerKind) throws {
    let report = try check(name, optimizer)
    #expect(report.passes, "\(report.table())")
    // Four layers, of each what can be taken of it; nothing is left out in silence.
    #expect(report.remarks.isEmpty && report.exponents.count == 4 * 6)
    for checked in report.exponents {
      #expect(checked.lower <= checked.exponent && checked.exponent <= checked.upper)
      #expect(checked.values.count == Self.widths.count)
    }
  }

  /// Muon's update is its scale, whatever the gradient: 0 by the condition, n^0.5 by the largest dimension.
  @Test(arguments: MuonScale.allCases, [nil, NormChoice.rms])
  func muonsScales_areTold(_ scale: MuonScale, norm: NormChoice?) throws {
    let report = try check("spectral", .muon, seeds: 4, norm: norm, muonScale: scale)
    let meets = [.condition, .jordan].contains(scale)
    #expect(report.passes == meets, "\(report.table())")
    let hidden = norm == nil ? ["layers.1", "layers.2"] : ["blocks.0.up", "blocks.2.down"]
    for layer in hidden {
      let update = try #require(
        report.exponents.first { $0.layer == layer && $0.quantity == .updateNorm })
      #expect(abs(update.exponent - (meets ? 0 : 0.5)) <= 0.02, "\(layer): \(update.exponent)")
    }
    if !meets { #expect(report.culprit?.layer == hidden[0]) }
  }

  /// Of fewer seeds the interval leaves a fault of ½ open in some of the many layers.
  @Test(arguments: [2, 8], NormChoice.allCases)
  func residualNetworks_pass(depth: Int, norm: NormChoice) throws {
    let report = try check("spectral", .adam, seeds: 6, depth: depth, norm: norm)
    #expect(report.passes, "\(report.table())")
    // Readin, two matrices a block, readout.
    #expect(report.remarks.isEmpty && report.exponents.count == 6 * (2 * depth + 2))
    // Lines under one header have their first value where the header has the first width.
    let lines = report.table().split(separator: "\n")
    let header = try #require(lines.first { $0.hasPrefix("‖W‖/√(out/in)") })
    let end = try #require(header.ranges(of: "\(Self.widths[0])").first).upperBound
    let column = header.distance(from: header.startIndex, to: end)
    for line in lines where line.contains(".down ") || line.contains("readin ") {
      let rest = line.dropFirst(column)
      #expect(line.dropFirst(column - 1).first != " " && rest.first == " ", "\(line)")
    }
    #expect(lines.allSatisfy { $0.count <= 82 })
  }

  @Test func residualNetworksFault_isFoundInItsBlock() throws {
    let rule = try RateRule(selector: "blocks.1.up", parametrization: "ntp")
    let report = try check("spectral", .adam, rules: [rule], norm: .rms)
    #expect(report.culprit?.layer == "blocks.1.up" && report.culprit?.quantity == .updateNorm)
  }

  // MARK: Depth

  static let depths = [4, 8, 16, 32]

  private func depthCheck(
    _ optimizer: OptimizerKind, _ rule: DepthRule, rates: [DepthRateRule] = [],
    norm: NormChoice = .rms, seeds: Int = 4
  ) throws -> CheckReport {
    let data = try TrainingData(LoadedData(train: DataSet.glyphs(count: 300)))
    let configuration = Configuration {
      ($0.network, $0.norm, $0.depthRule, $0.depthRateRules) = (.residualMLP, norm, rule, rates)
      ($0.steps, $0.baseWidth, $0.zeroReadout) = (1, 64, false)
    }
    return try SpectralCheck(
      ScaleRuns(
        experiment: Experiment(configuration, Facts(data: data, compute: compute)),
        parametrization: "spectral", optimizer: optimizer, scale: .depth, sizes: Self.depths,
        width: 64, log2LearningRate: optimizer.parametrizedFamily == .adam ? -12 : -6,
        seeds: (1...UInt64(seeds)).map { $0 }, data: data, compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
    ).run()
  }

  /// Readin, first, middle and last block, readout; the change of the stream after the last block among
  /// them. Updates in blocks fall as the rule needs it, L^(α−1).
  @Test(arguments: [
    (DepthRule.depthMuP, OptimizerKind.adam), (.completeP, .sgd), (.completeP, .muon),
    (.modular, .adam),
  ])
  func depthRules_meetTheConditionAlongDepth(_ rule: DepthRule, _ optimizer: OptimizerKind) throws {
    let report = try depthCheck(optimizer, rule, seeds: 6)
    #expect(report.passes, "\(report.table())")
    #expect(report.remarks.isEmpty && report.exponents.count == 8 * 6)
    for checked in report.exponents where checked.layer.hasPrefix("blocks.") {
      guard checked.quantity == .updateNorm else { continue }
      let asked = rule == .depthMuP ? -0.5 : 0
      #expect(abs(checked.predictedLimit - asked) <= 0.02, "\(checked)")
      #expect(abs(checked.exponent - checked.predicted) <= 0.1, "\(checked)")
    }
    let last = try #require(
      report.exponents.first { $0.layer == "blocks.last.down" && $0.quantity == .featureChange })
    #expect(abs(last.exponent) <= 0.2, "\(last)")
  }

  @Test func noDepthRule_breaksTheCondition() throws {
    let report = try depthCheck(.adam, .none)
    #expect(report.verdict == .fail && report.remarks.count == 1)
    let last = try #require(
      report.exponents.first { $0.layer == "blocks.last.down" && $0.quantity == .featureChange })
    #expect(last.exponent > 0.6 && last.verdict == .breaksAsPredicted, "\(last)")
  }

  /// The usual half of the work: blocks are scaled, their rates are not; and one matrix that was forgotten.
  @Test(arguments: ["all", "blocks.0.up"], [DepthRule.depthMuP, .completeP])
  func rateWithoutTheDepthRule_isNamed(_ selector: String, rule: DepthRule) throws {
    let optimizer = rule == .completeP ? OptimizerKind.sgd : .adam
    let rates = [DepthRateRule(selector: selector, rule: .none)]
    let report = try depthCheck(optimizer, rule, rates: rates)
    let culprit = try #require(report.culprit)
    #expect(culprit.layer == "blocks.first.up" && culprit.quantity == .updateNorm)
    #expect(culprit.verdict == .breaksAsPredicted)
    #expect(abs(culprit.ownDeviation - (rule == .completeP ? -1 : 0.5)) <= 1e-6)
    let broken = Set(report.failures.map(\.layer)).filter { $0.hasPrefix("blocks.") }
    if selector != "all" { #expect(!broken.contains("blocks.middle.down")) }
    #expect(report.sentence.contains("grows as L^"), "\(report.sentence)")
  }

  /// Of networks that differ in depth the first, the middle and the last of each block's layers.
  @Test func comparedLayers_areTheSameOrAtTheSamePlace() {
    func names(_ depth: Int) -> [String] {
      ["readin"] + (0..<depth).flatMap { ["blocks.\($0).up", "blocks.\($0).down"] } + ["readout"]
    }
    let layers = ComparedLayer.all(of: [names(3), names(8)])
    #expect(
      layers.map(\.name) == [
        "readin", "blocks.first.up", "blocks.first.down", "blocks.middle.up", "blocks.middle.down",
        "blocks.last.up", "blocks.last.down", "readout",
      ])
    #expect(layers.map { $0.indices[0] } == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(layers.map { $0.indices[1] } == [0, 1, 2, 9, 10, 15, 16, 17])
    #expect(ComparedLayer.all(of: [names(1), names(2)]).map(\.name).count == 4)
    #expect(ComparedLayer.all(of: [names(2), names(2)]).map(\.name) == names(2))
  }

  @Test(arguments: [Activation.tanh, .gelu]) func nonSquareLayers_pass(_ activation: Activation)
    throws
  {
    for optimizer in [OptimizerKind.sgd, .adam] {
      let report = try check(
        "spectral", optimizer, pattern: [1, 4, 1], activation: activation, seeds: 6)
      #expect(report.passes, "\(report.table())")
    }
  }

  struct Fault: Sendable, CustomStringConvertible {
    let name: String
    let optimizer: OptimizerKind
    var rule: String?
    let layer: Int
    let quantity: SpectralQuantity
    var wideInput = false
    var description: String { "\(name) \(optimizer) \(rule ?? "")" }
  }

  @Test(arguments: [
    Fault(name: "sp", optimizer: .sgd, layer: 0, quantity: .updateNorm),
    Fault(name: "sp", optimizer: .adam, layer: 1, quantity: .updateNorm),
    Fault(name: "ntp", optimizer: .sgd, layer: 0, quantity: .updateNorm),
    Fault(name: "ntp", optimizer: .adam, layer: 1, quantity: .updateNorm),
    Fault(
      name: "spectral-literal", optimizer: .sgd, layer: 0, quantity: .weightNorm, wideInput: true),
    Fault(
      name: "spectral-literal", optimizer: .adam, layer: 0, quantity: .weightNorm, wideInput: true),
    Fault(
      name: "spectral", optimizer: .sgd, rule: "readout=sp", layer: 3, quantity: .updateNorm),
    Fault(
      name: "spectral", optimizer: .adam, rule: "readout=sp", layer: 3, quantity: .updateNorm),
    Fault(
      name: "mup", optimizer: .sgd, rule: "layers.2=ntp", layer: 2, quantity: .updateNorm),
    Fault(
      name: "mup", optimizer: .adam, rule: "layers.1=ntp", layer: 1, quantity: .updateNorm),
    Fault(
      name: "spectral", optimizer: .adam, rule: "all=spectral:sgd", layer: 0,
      quantity: .updateNorm),
  ])
  func faults_areFoundInTheirLayer(_ fault: Fault) throws {
    let rules = try fault.rule.map { text -> [RateRule] in
      let sides = text.split(separator: "=").map(String.init)
      let parts = sides[1].split(separator: ":").map(String.init)
      return [
        try RateRule(
          selector: sides[0], parametrization: parts[0],
          family: parts.count == 2 ? UpdateFamily(rawValue: parts[1]) : nil)
      ]
    }
    let report = try check(
      fault.name, fault.optimizer, rules: rules ?? [], wideInput: fault.wideInput)
    let culprit = try #require(report.culprit, "\(report.table())")
    #expect(!report.passes)
    #expect(culprit.layer == "layers.\(fault.layer)", "\(report.table())")
    #expect(culprit.quantity == fault.quantity)
    // The rule does what it says, and what it says breaks the condition.
    #expect(culprit.verdict == .breaksAsPredicted)
    #expect(abs(culprit.ownDeviation) > 0.4)
  }

  @Test func seedsThatWouldTell_areSaid() throws {
    /// About how many seeds would tell whether an exponent is 0, of `seeds` with a mean and half an interval.
    func seedsToTell(
      _ exponent: Double, _ half: Double, of seeds: Int, againstTheory: Bool = false
    ) throws -> Int? {
      let spread = half / StudentT.quantile(0.975, degreesOfFreedom: seeds - 1)
      // Two seeds as far from the mean on either side as gives the interval.
      let away = spread * (Double(seeds * (seeds - 1)) / 2).squareRoot()
      let slopes = [exponent - away, exponent + away] + (2..<seeds).map { _ in exponent }
      return try #require(
        FittedExponent(over: [1, 2], values: [slopes.map { _ in 1 }, slopes.map { exp2($0) }])
      ).seedsToTell(from: 0, within: 0.2, of: seeds, againstTheory: againstTheory)
    }
    // 0.35 is left to a fault of ½: ±0.38 of four seeds is ±0.30 of five.
    #expect(try seedsToTell(0.15, 0.38, of: 4) == 5)
    // Off by 0.25, and surely so where the interval is less: ±0.50 of four seeds is ±0.24 of nine.
    #expect(try seedsToTell(-0.25, 0.5, of: 4) == 9)
    #expect(try seedsToTell(0.21, 9, of: 3) == nil)
    // Against a rule that is right in theory the whole interval has to be off: ±0.05.
    #expect(try seedsToTell(-0.25, 0.1, of: 6, againstTheory: true) == 17)
    #expect(try seedsToTell(-0.21, 0.1, of: 6, againstTheory: true) == nil)
    func sentence(_ seedsToTell: Int?) -> String {
      let unclear = CheckedQuantity(
        layer: "layers.1", quantity: .updateNorm, values: [1, 1], exponent: 0.15, lower: -0.23,
        upper: 0.53, predicted: 0, predictedLimit: 0, condition: 0, conditionLimit: 0,
        ownDeviation: 0, verdict: .unclear, seedsToTell: seedsToTell)
      return CheckReport(
        parametrization: "mup", optimizer: "adam", scale: .width, sizes: [64, 256], seeds: 4,
        log2LearningRate: -12, step: 1, exponents: [unclear], coordinates: [], remarks: [],
        diverged: false
      ).sentence
    }
    #expect(sentence(5).hasSuffix("within the spread of 4 seeds; about 5 would tell"))
    #expect(sentence(nil).hasSuffix("within the spread of 4 seeds; give it more"))
  }

  /// A readout that starts too large hands every layer a gradient that is; only it is to blame.
  @Test func inheritedDeviation_isNotTheCulprit() throws {
    let rules = try ["layers.0", "hidden", "readout"].map {
      try RateRule(selector: $0, parametrization: "spectral")
    }
    let report = try check("sp", .sgd, rules: rules)
    #expect(report.failures.contains { $0.layer == "layers.0" && $0.quantity == .updateNorm })
    #expect(report.culprit?.layer == "layers.3" && report.culprit?.quantity == .weightNorm)
  }

  @Test func zeroReadout_isJudgedAtTheSecondStep() throws {
    let good = try check("spectral", .sgd, zeroReadout: true, seeds: 6)
    #expect(good.passes && good.step == 2, "\(good.table())")
    #expect(!good.exponents.contains { $0.layer == "layers.3" && $0.quantity == .weightNorm })
    #expect(try !check("sp", .adam, zeroReadout: true).passes)
  }

  @Test func coordinates_areMeanAbsolutesByLayerStepAndWidth() throws {
    let report = try check("spectral", .adam)
    #expect(report.coordinates.count == 4 * 3)
    #expect(report.coordinates.map(\.step).prefix(3) == [0, 1, 2])
    #expect(report.coordinates.allSatisfy { $0.meanAbsolute.count == 4 })
    // Mean |h| of a ReLU layer is below its root mean square, and of its size.
    let rms = try #require(
      report.exponents.first { $0.layer == "layers.0" && $0.quantity == .featureSize })
    for (mean, rms) in zip(report.coordinates[0].meanAbsolute, rms.values) {
      #expect(mean < rms && mean > rms / 3)
    }
  }

  @Test func table_fitsEightyColumnsWithFiveWidths() throws {
    let text = try check("sp", .adam).table(coordinates: true)
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(text.contains("verdict  breaks the spectral condition, first in layers.1"))
    // The readout's own rate is off too; sp starts and trains the input as it should.
    #expect(text.contains("Also off by themselves: layers.2"), "\(text)")
    #expect(!text.contains("layers.0,"))
  }

  /// Six widths are shown as five, and what the verdict rests on is set off.
  @Test func table_fitsEightyColumnsWithMoreWidths() throws {
    let report = try check("sp", .adam, widths: [16, 24, 32, 48, 64, 96], seeds: 2)
    var painted: [Tone: [String]] = [:]
    let text = report.table(coordinates: true) { passage, tone in
      painted[tone, default: []].append(passage)
      return passage
    }
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(text == report.table(coordinates: true))
    #expect(text.contains("values at 5 of 6 widths"))
    let header = try #require(text.split(separator: "\n").first { $0.hasPrefix("‖ΔW‖/√(out/in)") })
    #expect(
      header.split(separator: " ").compactMap { Int($0) } == [16, 24, 32, 48, 96], "\(header)")
    let bad = try #require(painted[.bad])
    #expect(bad.filter { $0.hasSuffix("✗") }.count == report.failures.count { $0.isBroken })
    #expect(bad.contains { $0.hasPrefix("verdict  breaks") })
  }

  @Test func json_hasVerdictFailuresAndExponents() throws {
    let report = try check("sp", .adam, seeds: 2)
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(report))
    let dictionary = try #require(object as? [String: Any])
    #expect(dictionary["verdict"] as? String == "fail")
    let failures = try #require(dictionary["failures"] as? [[String: Any]])
    for key in ["layer", "quantity", "exponent", "predicted"] { #expect(failures[0][key] != nil) }
    let exponents = try #require(dictionary["exponents"] as? [[String: Any]])
    for key in ["layer", "quantity", "exponent", "lower", "upper", "predicted"] {
      #expect(exponents[0][key] != nil)
    }
  }
}
