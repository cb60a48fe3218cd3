import Foundation
import Testing

@testable import Experiments

@Suite struct ResultsTableTests {
  private static func table(
    _ text: String, columns: [ResultsTable.Role: String] = [:],
    rates: ResultsTable.RateForm? = nil
  ) throws -> ResultsTable {
    try ResultsTable(Array(text.utf8), path: "results.csv", columns: columns, rates: rates)
  }

  /// A full grid: ½(r + 8)² in log loss at every width.
  private static func grid(
    _ header: String, row: (_ width: Int, _ log2Rate: Double, _ seed: Int, _ loss: Double) -> String
  ) -> String {
    var lines = [header]
    for width in [64, 128, 256] {
      for rate in [-10.0, -9, -8, -7, -6] {
        for seed in 1...3 {
          let loss = (1 + 0.001 * Double(seed)) * exp(0.05 * (rate + 8) * (rate + 8))
          lines.append(row(width, rate, seed, loss))
        }
      }
    }
    return lines.joined(separator: "\n")
  }

  @Test func usualNames_areRecognised() throws {
    let plain = try Self.table(
      Self.grid("width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" })
    let group = try #require(plain.report.groups.first)
    #expect(plain.report.groups.count == 1 && group.parametrization == "results")
    #expect(group.seeds == [1, 2, 3] && group.verdict.outcome == .transfers)
    #expect(abs(try #require(group.drift).octavesPerDoubling) <= 1e-9)
    // Weights & Biases, pandas, other names and forms of rates say the same.
    let others = [
      Self.grid("\"Name\",\"config.hidden_size\",\"config/lr\",\"seed\",\"eval/loss\"") {
        "\"run \($0) \($1) \($2)\",\"\($0)\",\"\(exp2($1))\",\"\($2)\",\"\($3)\""
      },
      Self.grid(",d_model,log2_lr,Seed,val_loss") { "7,\($0),\($1),\($2),\($3)" },
      Self.grid("n_embd,log10_lr,random_seed,final_loss") {
        "\($0),\($1 * log10(2)),\($2),\($3)"
      },
      Self.grid("width;lr;seed;loss") { "\($0);\(exp2($1));\($2);\($3)" },
      Self.grid("# width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" },
    ]
    for text in others {
      let report = try Self.table(text).report
      #expect(report.groups.first?.drift == group.drift, "\(text.prefix(60))")
      #expect(report.groups.first?.widths.map(\.loss) == group.widths.map(\.loss))
    }
  }

  @Test func lastStepOfARun_counts() throws {
    let text =
      "run,step,width,lr,loss\n"
      + "a,1,64,0.01,9\na,3,64,0.01,1\na,2,64,0.01,5\na,4,64,0.01,\n"
      + "b,1,64,0.02,9\nb,2,64,0.02,2\nc,1,64,0.005,9\nc,2,64,0.005,3\n"
    let table = try Self.table(text)
    #expect(table.report.groups[0].widths.first?.loss.map { abs($0 - 1) < 0.2 } == true)
    #expect(table.report.groups[0].widths.first?.runs == 3)
    #expect(table.notes[0].hasPrefix("3 runs in 8 rows; scale from width"))
  }

  /// The sweeps that Megatron's muP examples publish.
  @Test func bestRates_giveTheirDriftAlone() throws {
    let text = """
      width,lr
      128,9.77e-4
      256,4.88e-4
      512,2.44e-4
      1024,1.22e-4
      2048,6.10e-5
      """
    let group = try #require(try Self.table(text).report.groups.first)
    let drift = try #require(group.drift)
    #expect(abs(drift.octavesPerDoubling + 1) <= 0.005 && drift.interval == nil)
    #expect(group.deviation == nil && group.regret == nil)
    #expect(group.verdict.text.hasSuffix("best rates alone give no interval"))
  }

  @Test func groups_areJudgedApart() throws {
    let one = Self.grid("parametrization,width,lr,seed,loss") { "sp,\($0),\(exp2($1)),\($2),\($3)" }
    let two = Self.grid("") { "mup,\($0),\(exp2($1)),\($2),\($3)" }
    let table = try Self.table(one + two)
    #expect(table.report.groups.map(\.parametrization) == ["sp", "mup"])
    #expect(table.report.table().contains("mup: loss, 3 seeds"))
  }

  @Test func divergedAndMissingRuns_areToldApart() throws {
    let text = """
      width,lr,seed,loss
      64,0.01,1,2
      64,0.02,1,1
      64,0.04,1,nan
      64,0.08,1,inf
      128,0.01,1,2
      128,0.02,1,
      128,0.04,1,1
      128,0.08,1,NaN
      """
    let group = try #require(try Self.table(text).report.groups.first)
    #expect(group.widths.map(\.diverged) == [2, 1] && group.widths.map(\.runs) == [4, 3])
    #expect(group.missing == 1)
    #expect(group.verdict.text.hasSuffix("one seed gives no interval"), "\(group.verdict.text)")
  }

  @Test func otherScales_haveTheirName() throws {
    let text = Self.grid("n_layer,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" }
    let table = try Self.table(text)
    #expect(table.scaleName == "n_layer" && table.report.axes?.scale == "n_layer")
    #expect(table.report.table().contains("a doubling of n_layer"))
  }

  @Test(arguments: [
    ("", "empty"),
    ("width,lr,loss", "no rows"),
    ("64,0.01,1\n128,0.01,2", "no header"),
    ("w,lr,loss\n64,0.1,1", "--scale-column"),
    ("width,rate,loss\n64,0.1,1", "--rate-column"),
    ("width,depth,lr,loss\n64,2,0.1,1\n128,4,0.1,1", "the scale may be width or depth"),
    ("width,lr,loss,val_loss\n64,0.1,1,1", "the loss may be loss or val_loss"),
    ("width,lr,loss\n64,x,1", "row 2: expected lr as a number, got \"x\""),
    ("width,lr,loss\n64,-7,1", "--rates log2"),
    ("width,lr,loss\n6.5,0.1,1", "whole number"),
    ("width,lr,loss\n64,0.1,1,2", "row 2: expected 3 fields, found 4"),
    ("width,lr,loss\n64,0.1,low", "a loss"),
    ("width,lr,seed,loss\n64,0.1,1,1\n64,0.1,1,2", "rows 2 and 3 are both of width 64"),
    (
      "width,lr,loss,wd\n64,0.1,1,0\n64,0.1,2,1\n128,0.1,1,0",
      "no column of seeds; they differ in wd"
    ),
  ])
  func badTable_isRefusedInALine(text: String, part: String) {
    #expect {
      _ = try Self.table(text)
    } throws: { error in
      let line = "\(error)"
      return line.contains(part) && line.hasPrefix("results.csv") && !line.contains("\n")
    }
  }

  @Test func namedColumns_win() throws {
    let text = Self.grid("width,lr,seed,loss,val_loss") {
      "\($0),\(exp2($1)),\($2),\(-$3),\($3)"
    }
    let table = try Self.table(text, columns: [.loss: "val_loss"])
    #expect(table.lossOfFirst.map { abs($0 - 1.002) <= 1e-3 } == true)
    #expect { _ = try Self.table(text, columns: [.loss: "nll"]) } throws: {
      "\($0)".contains("no column named \"nll\"; there are width, lr, seed, loss, val_loss")
    }
  }
}

extension ResultsTable {
  fileprivate var lossOfFirst: Double? { report.groups.first?.widths.first?.loss }
}
