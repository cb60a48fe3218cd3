import Testing
import Training

@testable import Experiments

@Suite struct SweepGridTests {
  static func grid(
    parametrizations: [String] = ["sp"], optimizers: [OptimizerKind] = [.sgd],
    widths: [Int] = [64], rates: [Double] = [-3], seeds: [UInt64] = [0]
  ) throws -> SweepGrid {
    try SweepGrid(
      parametrizations: parametrizations, optimizers: optimizers, widths: widths,
      log2LearningRates: rates, seeds: seeds)
  }

  @Test func cells_varyTheSeedFastest() throws {
    let grid = try Self.grid(
      parametrizations: ["b", "a"], optimizers: [.adam, .sgd], widths: [2, 1], rates: [0, -1],
      seeds: [9, 3])
    let cells = grid.cells
    #expect(cells.count == 32 && Set(cells).count == 32)
    #expect(
      cells[1]
        == RunCell(
          parametrization: "b", optimizer: .adam, width: 2, log2LearningRate: 0, seed: 3))
    #expect(
      cells[2]
        == RunCell(
          parametrization: "b", optimizer: .adam, width: 2, log2LearningRate: -1, seed: 9))
    #expect(cells[4].width == 1 && cells[8].optimizer == .sgd && cells[16].parametrization == "a")
  }

  @Test func badAxes_areNamed() {
    func text(_ make: () throws -> SweepGrid) -> String? {
      #expect(throws: SweepGridError.self) { try make() }?.description
    }
    #expect(
      text { try Self.grid(parametrizations: []) }
        == "parametrization: expected at least one, got none")
    #expect(
      text { try Self.grid(optimizers: []) } == "optimizer: expected at least one, got none")
    #expect(text { try Self.grid(widths: []) } == "widths: expected at least one, got none")
    #expect(
      text { try Self.grid(rates: []) } == "log2-lr: expected at least one, got none")
    #expect(text { try Self.grid(seeds: []) } == "seeds: expected at least one, got none")
    #expect(text { try Self.grid(widths: [64, 0]) } == "widths: expected integers ≥ 1, got 0")
    #expect(
      text { try Self.grid(rates: [.nan]) }
        == "log2-lr: expected numbers from -126 to 127, got nan")
    #expect(
      text { try Self.grid(rates: [-1.25, -1.2500000001]) }
        == "log2-lr: expected each value once, got -1.25 twice")
    #expect(
      text { try Self.grid(seeds: [1, 2, 1]) } == "seeds: expected each value once, got 1 twice")
  }

  /// numpy.linspace(-8, 0, 20) to the last digit shown.
  @Test func range_isLinspace() throws {
    let rates = try SweepGrid.parseRates("-8:0:20")
    #expect(rates.count == 20 && rates[0] == -8 && rates[19] == 0)
    #expect(abs(rates[1] - -7.578947368421053) <= 1e-14)
    #expect(abs(rates[8] - -4.631578947368421) <= 1e-14)
    #expect(try SweepGrid.parseRates("0:-1:3") == [0, -0.5, -1])
    #expect(try SweepGrid.parseRates("-2:5:1") == [-2])
    #expect(try SweepGrid.parseRates(" -3, -2.5,0") == [-3, -2.5, 0])
    #expect(try SweepGrid.parseRates("-3") == [-3])
  }

  @Test(arguments: ["", "1:2", "1:2:0", "1:2:x", "a,b", "1,,2", "1:inf:3", "1:2:3:4", "1:2:99999"])
  func badRates_areRefused(text: String) {
    let error = #expect(throws: SweepGridError.self) { try SweepGrid.parseRates(text) }
    #expect(error?.description.contains("got '\(text)'") == true)
  }

  /// As the device's arithmetic has them, rates beyond are infinite or 0.
  @Test(arguments: [-127, 128, 2000, -Double.infinity]) func ratesOutOfRange_areRefused(
    rate: Double
  ) {
    #expect(throws: SweepGridError.self) { try Self.grid(rates: [rate]) }
    for bound in [-126.0, 127] { #expect(throws: Never.self) { try Self.grid(rates: [bound]) } }
  }

  @Test func list_reads() throws {
    let widths: [Int] = try SweepGrid.parseList("128, 256", what: "widths", "integers")
    #expect(widths == [128, 256])
    let error = #expect(throws: SweepGridError.self) {
      let _: [UInt64] = try SweepGrid.parseList("1,-2", what: "seeds", "integers ≥ 0")
    }
    #expect(error?.description == "seeds: expected integers ≥ 0, got '1,-2'")
  }
}
