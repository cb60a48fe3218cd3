import Foundation
import Spectral
import Testing

/// The `mup` package's own factors, `Golden/mup_scaling.csv`, made by the script beside it.
///
/// The package keeps a multiplier base/width on the readout's product. Moving it into the weight
/// (`equivalent(multiplier: 1/multiplier)`) must give our effective values relative to the same
/// base: readout std ratio·multiplier, SGD η·multiplier², Adam η·multiplier, coupled λ/multiplier².
/// The spectral rule, relative to a base, has to meet the same table.
@Suite struct MupGoldenTests {
  @Test(arguments: ["mup", "spectral"], [UpdateFamily.sgd, .adam])
  func package_everyRowIsMet(_ name: String, _ family: UpdateFamily) throws {
    let rule = try Parametrizations.named(name)
    let rows = try Row.golden()
    #expect(rows.count == 22)
    for row in rows {
      let got = rule.scaling(of: row.shape, relativeTo: row.base, family: family, decay: .coupled)
      let expected = WidthScaling(
        multiplier: row.multiplier, initialStd: row.initialStd,
        learningRateFactor: family == .sgd ? row.sgdLearningRate : row.adamLearningRate,
        epsilonFactor: got.epsilonFactor,  // The package leaves ε alone: not compared.
        weightDecayFactor: family == .sgd ? row.sgdWeightDecay : row.adamWeightDecay
      ).equivalent(multiplier: 1 / row.multiplier, family: family, decay: .coupled)

      #expect(got.multiplier == expected.multiplier, "\(row.label)")
      #expect(got.learningRateFactor == expected.learningRateFactor, "\(row.label)")
      #expect(got.weightDecayFactor == expected.weightDecayFactor, "\(row.label)")
      // The table has the std from float32 norms, printed to 6 decimals.
      switch row.shape.kind {
      case .weight, .embedding:
        #expect(
          abs(got.initialStd - expected.initialStd) <= 1e-6 * expected.initialStd, "\(row.label)")
      case .bias, .gain:
        // PyTorch draws biases with std ∝ 1/√fanIn of their layer, ours are 0: what can agree, and
        // does, is that the std is the same at the base and at the target.
        let baseStd = 1 / Double(row.layerFanInAtBase).squareRoot()
        #expect(abs(expected.initialStd - baseStd) <= 1e-6 * baseStd, "\(row.label)")
        #expect(got.initialStd == 0)
      }
    }
  }

  /// One line of the table.
  private struct Row {
    let label: String
    let shape: ParameterShape
    let base: ParameterShape
    let layerFanInAtBase: Int
    let multiplier: Double
    /// In units of PyTorch's default for 1/√fanIn of the layer at the target width.
    let initialStd: Double
    let sgdLearningRate, sgdWeightDecay, adamLearningRate, adamWeightDecay: Double

    static func golden() throws -> [Row] {
      let url = try #require(
        Bundle.module.url(forResource: "mup_scaling", withExtension: "csv", subdirectory: "Golden"))
      let lines = try String(contentsOf: url, encoding: .utf8).split(whereSeparator: \.isNewline)
      #expect(
        lines[0] == """
          inputs,outputs,hidden,base_width,width,parameter,shape,multiplier,init_std_ratio,\
          sgd_lr,sgd_wd,adam_lr,adam_wd
          """)
      return try lines.dropFirst().map { try Row(line: String($0)) }
    }

    init(line: String) throws {
      let fields = line.split(separator: ",").map(String.init)
      try #require(fields.count == 13)
      let integer = { (i: Int) in try #require(Int(fields[i])) }
      let inputs = try integer(0)
      let outputs = try integer(1)
      let baseWidth = try integer(3)
      let width = try integer(4)
      let hidden = fields[2].split(separator: "x").compactMap { Int($0) }
      let shapes = mlpShapes(inputs: inputs, hidden: hidden, width: width, outputs: outputs)
      let bases = mlpShapes(inputs: inputs, hidden: hidden, width: baseWidth, outputs: outputs)

      // Parameters are named by layer and kind, as "2.weight".
      let parameter = fields[5].split(separator: ".")
      let layer = try #require(Int(parameter[0]))
      let index = 2 * layer + (parameter[1] == "bias" ? 1 : 0)
      shape = shapes[index]
      base = bases[index]
      let sizes = fields[6].split(separator: "x").compactMap { Int($0) }
      try #require(sizes == (shape.kind == .bias ? [shape.fanOut] : [shape.fanOut, shape.fanIn]))

      let numbers = fields[7...].compactMap { Double($0) }
      try #require(numbers.count == 6)
      label = line
      layerFanInAtBase = bases[2 * layer].fanIn
      multiplier = numbers[0]
      initialStd = numbers[1] / Double(shapes[2 * layer].fanIn).squareRoot()
      (sgdLearningRate, sgdWeightDecay) = (numbers[2], numbers[3])
      (adamLearningRate, adamWeightDecay) = (numbers[4], numbers[5])
    }
  }
}
