import Foundation
import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

@Suite(.serialized) struct SweepAxisTests {
  // MARK: Reading

  @Test func texts_areReadAsTheirValues() throws {
    func values(_ text: String) -> [JSONValue]? { SweepAxis(setting: .string(text))?.values }
    #expect(values("depth=2,4, 8") == [.integer(2), .integer(4), .integer(8)])
    #expect(values("momentum=0.5,0.80") == [.number(0.5), .number(0.8)])
    #expect(
      values("x=log2:-3:3:7") == [-3, -2, -1, 0, 1, 2, 3].map { .number(exp2($0)).canonicalNumber })
    #expect(values("x=0.1:0.3:3") == [.number(0.1), .number(0.2), .number(0.3)])
    #expect(
      values("weight-decay=0.1:independent,1e-2") == [.string("0.1:independent"), .number(0.01)])
    for text in ["depth", "=1", "depth=", "depth=1,,2", "x=log2:a:b:c"] {
      #expect(values(text) == nil, "\(text)")
    }
    let axis = try #require(SweepAxis(setting: .string("x=log2:-1:1:3")))
    #expect(axis.setting == .string("x=0.5,1,2"))
    #expect(SweepAxis(setting: axis.setting) == axis)
    #expect(SweepAxis(setting: .array([.string("x=0.5,1,2")])) == axis)
    #expect(
      SweepAxis(setting: .object(["x": .array([.number(0.5), .integer(1), .integer(2)])])) == axis)
  }

  static func grid(
    widths: [Int] = [16], rates: [Double] = [-4], scale: SweepAxis? = nil, tune: SweepAxis? = nil
  ) throws -> SweepGrid {
    try SweepGrid(
      parametrizations: ["mup"], optimizers: [.momentum], widths: widths,
      log2LearningRates: rates, seeds: [1, 2], scale: scale, tune: tune)
  }

  @Test func badAxes_areNamed() {
    func text(
      widths: [Int] = [16], rates: [Double] = [-4], scale: SweepAxis? = nil, tune: SweepAxis? = nil
    ) -> String? {
      #expect(throws: SweepGridError.self) {
        try Self.grid(widths: widths, rates: rates, scale: scale, tune: tune)
      }?.description
    }
    #expect(
      text(tune: SweepAxis("wieght-decay", [1]))
        == "tune: unknown setting 'wieght-decay'; did you mean 'weight-decay'?")
    #expect(
      text(tune: SweepAxis("activation", [1]))
        == "tune: activation is no number, so no axis can step through it")
    #expect(
      text(tune: SweepAxis("weight-decay", [0, 1]))
        == "tune: weight-decay: expected values above 0, got 0")
    #expect(
      text(tune: SweepAxis("momentum", [0.5, 1.5]))
        == "tune: momentum: expected a number from 0 to below 1, got 1.5")
    #expect(
      text(scale: SweepAxis("depth", [2]), tune: SweepAxis("depth", [2, 4]))
        == "tune: depth is the scale already")
    #expect(
      text(widths: [16, 32], scale: SweepAxis("depth", [2]))
        == "scale: along depth there is one width, got widths 16, 32")
    #expect(
      text(rates: [-4, -3], tune: SweepAxis("momentum", [0.5]))
        == "tune: while momentum is tuned there is one log2-lr, got 2 of them")
    #expect(
      text(scale: SweepAxis("depth", [2, 2.0]))
        == "scale: expected each value once, got depth 2 twice")
    #expect(
      text(scale: SweepAxis("depth", [2.5]))
        == "scale: depth: expected an integer from 1 to 4096, got 2.5")
    #expect(text(scale: SweepAxis("momentum", [0.5]))?.hasPrefix("scale: expected one of") == true)
    #expect(
      text(tune: SweepAxis("validation-fraction", [0.1, 0.2]))
        == "tune: all runs of a sweep have the same validation-fraction")
    #expect(
      text(scale: SweepAxis("steps", [10, 20]), tune: SweepAxis("epochs", [1, 2]))?
        .contains("not both") == true)
  }

  // MARK: Grid and groups

  @Test func cells_haveEveryCombination_andOrdinaryOnesStayAsTheyWere() throws {
    let grid = try Self.grid(
      scale: SweepAxis("depth", [2, 4]), tune: SweepAxis("momentum", [0.5, 0.8]))
    #expect(grid.cells.count == 8 && Set(grid.cells).count == 8)
    #expect(grid.cells[2].overrides == ["depth": .integer(2), "momentum": .number(0.8)])
    #expect(grid.cells[4].overrides == ["depth": .integer(4), "momentum": .number(0.5)])
    #expect(grid.axes == SweepAxes(scale: "depth", tune: "momentum"))
    // One value only is a scale too.
    #expect(try Self.grid(scale: SweepAxis("depth", [2])).cells.count == 2)
    for cell in [grid.cells[3], try Self.grid().cells[0]] {
      let data = try JSONEncoder().encode(cell)
      #expect(try JSONDecoder().decode(RunCell.self, from: data) == cell)
      #expect(String(decoding: data, as: UTF8.self).contains("overrides") != cell.overrides.isEmpty)
    }
    let data = try JSONEncoder().encode(grid)
    #expect(try JSONDecoder().decode(SweepGrid.self, from: data) == grid)
  }

  /// Numbers of the update are each run's own; what shapes the computation makes other groups.
  @Test func runsOfAGroup_shareTheirShape_andHaveTheirOwnNumbers() throws {
    let grid = try Self.grid(
      scale: SweepAxis("depth", [2, 4]), tune: SweepAxis("momentum", [0.5, 0.8]))
    #expect(grid.shapes.map { $0["depth"] } == [.integer(2), .integer(4)])
    var experiment = Fixture.experiment
    experiment.settings.length = .steps(10)
    let cells = grid.cells.filter { $0.overrides["depth"] == .integer(4) }
    let group = RunGroup(experiment: experiment, cells: cells)
    let replicas = try group.replicas()
    #expect(group.training.network.graph.linearNodes.count == 5)
    #expect(
      replicas.map { ($0.optimization ?? group.training.optimization).hyperparameters.momentum }
        == [0.5, 0.5, 0.8, 0.8])
    #expect(group.experiment == experiment && group.shapeInWords == "depth 4")
    let multipliers = try Self.grid(tune: SweepAxis("output-multiplier", [0.5, 1, 2]))
    #expect(multipliers.shapes.count == 3)
    let steps = try Self.grid(scale: SweepAxis("steps", [10, 40]))
    #expect(
      steps.cells.map { RunGroup(experiment: experiment, cells: [$0]).totalSteps } == [
        10, 10, 40, 40,
      ])
  }

  // MARK: Training

  let compute: Compute
  let data: TrainingData

  init() throws {
    compute = try Compute.idle()
    data = try TrainingData(LoadedData(train: .glyphs(count: 200)))
  }

  func rows(_ directory: URL, _ settings: Configuration, _ grid: SweepGrid) throws
    -> [SummaryRow]
  {
    let sweep = try Sweep(
      experiment: Experiment(settings, Facts(data: data, compute: compute)), grid: grid, data: data,
      directory: directory, compute: compute, memory: MemoryPlan(device: compute.queue.device))
    #expect(try sweep.run().failure == nil)
    return try sweep.summarize()
  }

  static let settings = Configuration {
    ($0.depth, $0.length, $0.batchSize) = (1, .steps(12), 50)
    ($0.baseWidth, $0.zeroReadout) = (8, false)
  }

  /// Bit for bit the runs that plain settings give, whichever axis: of the shape, of numbers that
  /// runs of one group have their own of, and of others.
  @Test(
    .enabled(if: try Device.find(.best).supportsNativeKernels),
    arguments: [
      SweepAxis("depth", [1, 3]), SweepAxis("batch-size", [20, 50]), SweepAxis("steps", [6, 12]),
      SweepAxis("momentum", [0.5, 0.8, 0.95]), SweepAxis("weight-decay", [0.01, 0.1]),
      SweepAxis("clip-norm", [0.1, 100]), SweepAxis("output-multiplier", [0.5, 2]),
    ])
  func axis_givesTheRunsOfPlainSettings(axis: SweepAxis) throws {
    try Fixture.inDirectory { directory in
      let isScale = SweepAxis.scales.contains(axis.name)
      let all = try rows(
        directory.appendingPathComponent("axis"), Self.settings,
        Self.grid(scale: isScale ? axis : nil, tune: isScale ? nil : axis))
      #expect(all.count == 2 * axis.values.count)
      for (place, value) in axis.values.enumerated() {
        let plain = try rows(
          directory.appendingPathComponent("\(place)"),
          Self.settings.replacing([axis.name: value]), Self.grid())
        let own = all.filter { $0.overrides == [axis.name: value] }
        #expect(own.map(\.seed) == [1, 2] && own.map(\.depth) == plain.map(\.depth))
        #expect(own.map(\.result.trainLoss) == plain.map(\.result.trainLoss), "\(value)")
        #expect(own.map(\.result.validationLoss) == plain.map(\.result.validationLoss), "\(value)")
        #expect(own.map(\.result.steps) == plain.map(\.result.steps))
        #expect(own.allSatisfy { $0.result.trainLoss != nil })
      }
      // Values do make a difference.
      #expect(Set(all.map(\.result.trainLoss)).count == all.count)
    }
  }

  @Test func interruptedSweep_goesOnAlongItsAxes() throws {
    try Fixture.inDirectory { directory in
      let grid = try Self.grid(
        scale: SweepAxis("depth", [1, 2]), tune: SweepAxis("momentum", [0.5, 0.9]))
      let whole = try rows(directory.appendingPathComponent("whole"), Self.settings, grid)
      let sweep = try Sweep(
        experiment: Experiment(Self.settings, Facts(data: data, compute: compute)), grid: grid,
        data: data, directory: directory.appendingPathComponent("parts"), compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
      #expect(try sweep.run { $0.finished < 4 || $0.groupStep < 5 }.interrupted)
      let again = try sweep.run()
      #expect(again.progress.reused == 4 && again.progress.finished == 4)
      #expect(again.progress.resumed == 4)
      let rows = try sweep.summarize()
      #expect(rows.map(\.overrides) == whole.map(\.overrides))
      if compute.queue.device.supportsNativeKernels {
        #expect(rows.map(\.result.trainLoss) == whole.map(\.result.trainLoss))
      }
    }
  }

  // MARK: Table and summary

  static func row(depth: Int, momentum: Double, seed: UInt64, loss: Double) -> SummaryRow {
    SummaryRow(
      parametrization: "mup", optimizer: .momentum, width: 64, depth: depth, log2LearningRate: -4,
      seed: seed, run: "\(depth) \(momentum) \(seed)",
      result: RunResult(
        epochs: 1, steps: 1, trainLoss: loss, outcome: .completed, seconds: 1, device: "cpu"),
      overrides: ["depth": .integer(depth), "momentum": .number(momentum)])
  }

  static let rows: [SummaryRow] = [2, 4, 8].flatMap { depth in
    [0.2, 0.4, 0.8].flatMap { momentum in
      [1, 2, 3].map { seed in
        // Least at 2^−1.3, the same at every depth.
        let distance = log2(momentum) + 1.3 + 0.01 * Double(seed - 2) * log2(Double(depth))
        return row(
          depth: depth, momentum: momentum, seed: UInt64(seed),
          loss: exp(distance * distance) / Double(depth))
      }
    }
  }

  @Test func table_namesTheAxes() {
    let report = TransferReport(
      rows: Self.rows, axes: SweepAxes(scale: "depth", tune: "momentum"))
    #expect(
      report.table() == """
        mup, momentum, width 64, rate 2^−4: training loss, 3 seeds
            depth    best momentum    best loss    loss at depth 2's best
                2            0.406       0.5000                    0.5000
                4            0.406       0.2501                    0.2501
                8            0.406       0.1251                    0.1251
          drift      0.00 octaves of momentum a doubling of depth (90 % −0.10…0.10, 3
                     seeds)
          deviation  0.00 octaves at most, at depth 8 from depth 2 (90 % 0.00…0.21)
          regret     0.0 % (90 % 0.0…4.5 %) at depth 8 with depth 2's momentum 0.406
          verdict    inconclusive: the optimum moves 0.00 octaves a doubling, but the
                     interval of the regret reaches over what is transfer; about 7 seeds
                     would tell

        """)
    // Rows of other axes are not compared with these.
    #expect(TransferReport(rows: Self.rows).groups.isEmpty)
    #expect(TransferReport(rows: Self.rows, axes: SweepAxes(scale: "depth")).groups.isEmpty)
  }

  @Test func table_fitsEightyColumns() {
    let rows = [16, 16384].flatMap { size in
      [0.0001, 0.001, 0.01].map { value in
        SummaryRow(
          parametrization: "spectral-literal", optimizer: .adam, width: 16384, depth: 2,
          log2LearningRate: -4.333333, seed: 1, run: "",
          result: RunResult(
            epochs: 1, steps: 1, trainLoss: value * Double(size), outcome: .completed, seconds: 1,
            device: "cpu"),
          overrides: ["batch-size": .integer(size), "output-multiplier": .number(value)])
      }
    }
    let text = TransferReport(
      rows: rows, axes: SweepAxes(scale: "batch-size", tune: "output-multiplier")
    ).table()
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("at batch-size 16, 16384; add lower values of output-multiplier"))
  }

  @Test func summary_hasColumnsOfTheAxesAlone() throws {
    let rows = [
      Self.row(depth: 4, momentum: 0.8, seed: 1, loss: 1),
      Self.row(depth: 4, momentum: 0.2, seed: 1, loss: 1),
      Self.row(depth: 2, momentum: 0.8, seed: 1, loss: 1),
    ]
    let sorted = SummaryRow.sorted(rows, parametrizations: ["mup"])
    #expect(sorted.map(\.run) == ["2 0.8 1", "4 0.2 1", "4 0.8 1"])
    let lines = SummaryRow.csv(sorted).split(separator: "\n")
    #expect(lines[0] == SummaryRow.header + ",momentum")
    #expect(lines[1].hasSuffix(",0.8") && lines[2].hasSuffix(",0.2"))
    let steps = SummaryRow(
      parametrization: "mup", optimizer: .sgd, width: 8, depth: 1, log2LearningRate: 0, seed: 1,
      run: "", result: Fixture.result, overrides: ["steps": .integer(7)])
    #expect(SummaryRow.csv([steps]).contains("whole_train_loss,set_steps\n"))
    let plain = SummaryRow(
      parametrization: "mup", optimizer: .sgd, width: 8, depth: 1, log2LearningRate: 0, seed: 1,
      run: "", result: Fixture.result)
    #expect(SummaryRow.csv([plain]).hasPrefix(SummaryRow.header + "\n"))
  }
}
