import Foundation
import Testing

@testable import Experiments

@Suite struct ResultsTableTests {
  private static func table(
    _ text: String, columns: [ResultsTable.Role: String] = [:],
    rates: ResultsTable.RateForm? = nil, target: Int? = nil
  ) throws -> ResultsTable {
    try ResultsTable(
      Array(text.utf8), path: "results.csv", columns: columns, rates: rates, target: target)
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

  @Test func chartOfRuns_isTold() {
    let text = "Step,w64-lr0.1 - loss,w64-lr0.1 - loss__MIN,w64-lr0.1 - loss__MAX\n1,2,2,2\n"
    #expect(throws: ResultsTableError.chart(path: "results.csv")) { try Self.table(text) }
    #expect("\(ResultsTableError.chart(path: "results.csv"))".hasSuffix("export the table of runs"))
  }

  @Test(arguments: ["eval/acc", "val_accuracy", "F1", "config.top1"])
  func accuracy_isNoLoss(name: String) {
    let text = Self.grid("width,lr,seed,\(name)") { "\($0),\(exp2($1)),\($2),\($3)" }
    #expect {
      try Self.table(text, columns: [.loss: name])
    } throws: {
      "\($0)".contains("is better the higher") && "\($0)".contains("--loss-column")
    }
  }

  @Test func runsThatCrashed_areSaid() throws {
    let text = Self.grid("width,lr,seed,loss,State") {
      "\($0),\(exp2($1)),\($2),\($3),\($0 == 64 && $2 == 2 ? "crashed" : "finished")"
    }
    let notes = try Self.table(text).notes
    #expect(
      notes.contains {
        $0.hasPrefix("5 of 45 runs are crashed by State, that of line 3 among them")
      }, "\(notes)")
    let fine = try Self.table(text.replacingOccurrences(of: "crashed", with: "finished")).notes
    #expect(!fine.contains { $0.contains("State") })
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
    let last = try Self.table(
      Self.grid("width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" })
    // Steps out of order, and one without a loss at the end.
    let text = Self.grid("width,lr,seed,step,loss") { width, rate, seed, loss in
      [(1, "9"), (3, "\(loss)"), (2, "5"), (4, "")]
        .map { "\(width),\(exp2(rate)),\(seed),\($0.0),\($0.1)" }.joined(separator: "\n")
    }
    let table = try Self.table(text)
    #expect(table.report.groups == last.report.groups)
    #expect(table.notes[0].hasPrefix("45 runs in 180 rows; scale from width"))
    #expect(table.notes.count == 1, "\(table.notes)")
  }

  /// Log rows of one run are no seeds: they make one run, or the table is refused.
  @Test func logRowsOfARun_areNoSeeds() throws {
    func rows(_ header: String, of names: (_ number: Int, _ run: String) -> String) -> String {
      var number = 0
      return Self.grid(header) { width, rate, seed, loss in
        if seed > 1 { return "" }
        return [10, 20, 30].map { step in
          number += 1
          return names(number, "r\(width)\(rate)")
            + "\(width),\(exp2(rate)),\(step),\(loss + 1 / Double(step))"
        }.joined(separator: "\n")
      }
    }
    // Ids that number the rows.
    let table = try Self.table(rows("id,width,lr,step,loss") { number, _ in "\(number)," })
    let group = try #require(table.report.groups.first)
    #expect(group.seeds == [1] && group.widths.map(\.runs) == [5, 5, 5])
    #expect(group.verdict.text.contains("one seed gives no interval"), "\(group.verdict.text)")
    #expect(table.notes.contains("id numbers the rows and tells no runs apart"))
    let refused: [(String, (Int, String) -> String, String)] = [
      ("run,width,lr,tokens,loss", { _, run in "\(run)," }, "they differ in tokens"),
      ("run,width,lr,_timestamp,loss", { _, run in "\(run)," }, "they differ in _timestamp"),
      ("id,width,lr,tokens,loss", { number, _ in "\(number)," }, "they differ in tokens"),
      ("id,width,lr,step,loss", { number, _ in "\(1000 - number)," }, "--step-column step"),
      ("id,width,lr,step,loss", { number, _ in "x\(number)," }, "--step-column step"),
    ]
    for (header, names, part) in refused {
      #expect {
        _ = try Self.table(rows(header, of: names))
      } throws: {
        "\($0)".contains(part)
      }
    }
    // What is said to be a step is one.
    let named = try Self.table(
      rows("id,width,lr,step,loss") { number, _ in "x\(number)," }, columns: [.step: "step"])
    #expect(named.report.groups.first?.seeds == [1])
    // Runs with a row each are runs, whatever step they stopped at.
    let runs = try Self.table(
      Self.grid("Name,width,lr,_step,loss") {
        "r\($0)\($1)\($2),\($0),\(exp2($1)),\(Int($1) + 20 * $2),\($3)"
      })
    #expect(runs.report.groups.first?.seeds == [1, 2, 3])
  }

  /// Rows that only times tell apart: of one run where their id counts rows, else runs.
  @Test func timesOfOneRun_areAsked_andThoseOfRunsAreNone() throws {
    func rows(
      _ header: String, time: (Int) -> String = { "\(1_700_000_000 + 60 * $0)" },
      id: (Int) -> String = { "\($0)" }
    ) -> String {
      var number = 0
      return Self.grid(header) { width, rate, _, loss in
        number += 1
        return "\(id(number)),\(width),\(exp2(rate)),\(time(number)),\(loss)"
      }
    }
    let iso: (Int) -> String = { "2025-03-01 12:\($0 < 10 ? "0" : "")\($0):00" }
    let tables = [
      rows("id,width,lr,_timestamp,loss"), rows("id,width,lr,time,loss", time: iso),
      rows("id,width,lr,_runtime,loss", time: { "\(-$0)" }, id: { "\(3 * $0)" }),
    ]
    for text in tables {
      let name = String(text.split(separator: ",")[3])
      #expect {
        _ = try Self.table(text)
      } throws: {
        "\($0)".contains(
          "where lines are of one run at different times say --step-column \(name), where each is a "
            + "run leave that column out")
      }
      let steps = try Self.table(text, columns: [.step: name])
      #expect(steps.report.groups.first?.seeds == [1] && steps.reading.runs == 15)
      #expect(steps.notes.allSatisfy { !$0.contains("stopped") }, "\(steps.notes)")
    }
    // The last of one run counts.
    let last = try Self.table(tables[1], columns: [.step: "time"])
    #expect(abs(try #require(last.report.groups.first?.widths.first?.loss) - 1.003) <= 1e-9)
    let runs = [
      rows("id,width,lr,_timestamp,loss", id: { "x\($0)f" }),
      rows("Name,width,lr,_timestamp,loss", id: { "amber-sweep-\($0)" }),
      rows("run,width,lr,_timestamp,loss"),
      // Side by side, they end in any order.
      rows("id,width,lr,_timestamp,loss", time: { "\(1_700_000_000 + 7 * $0 % 45)" }),
    ]
    for text in runs {
      let table = try Self.table(text)
      let name = text.prefix { $0 != "," }
      #expect(table.report.groups.first?.seeds == [1, 2, 3])
      #expect(
        table.notes.contains(
          "no seeds: each \(name) is taken for a run of its own, and those of one width and rate for "
            + "seeds, numbered in their order"), "\(table.notes)")
    }
  }

  @Test func rowNumberBesideSeedsAndSteps_isPassedOver() throws {
    let plain = try Self.table(
      Self.grid("width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" })
    var number = 7
    let text = Self.grid("id,width,lr,seed,step,loss") { width, rate, seed, loss in
      [(10, loss + 1), (20, loss)].map { step, loss in
        number += 3
        return "\(number),\(width),\(exp2(rate)),\(seed),\(step),\(loss)"
      }.joined(separator: "\n")
    }
    #expect(try Self.table(text).report.groups == plain.report.groups)
  }

  /// Seeds that nothing tells apart: the steps of a run do not start again.
  @Test func stepsThatStartAgain_areAnotherRun() {
    let text = Self.grid("width,lr,step,loss") { width, rate, seed, loss in
      [(10, loss + 1), (20, loss)].map { "\(width),\(exp2(rate)),\($0),\($1)" }
        .joined(separator: "\n")
    }
    #expect { _ = try Self.table(text) } throws: {
      "\($0)".contains("lines 3 and 5 are both of width 64, lr 0.0009765625 and there is no column")
    }
  }

  @Test func runColumn_isSaid_andRunsWithoutALossCount() throws {
    let table = try Self.table(
      Self.grid("run,width,lr,loss") {
        "\($0)\($1)\($2),\($0),\(exp2($1)),\($2 == 2 ? "" : "\($3)")"
      })
    #expect(table.notes[0].hasSuffix("loss from loss, run from run"))
    #expect(table.report.groups.first?.seeds == [1, 3])
  }

  @Test func runsThatStoppedEarlier_areNamed() throws {
    func table(_ steps: (Int, Double) -> Int, loss: String? = nil) throws -> ResultsTable {
      try Self.table(
        Self.grid("width,lr,seed,step,loss") { width, rate, seed, value in
          let step = steps(width, rate)
          return
            "\(width),\(exp2(rate)),\(seed),\(step),\(step < 30 ? loss ?? "\(value)" : "\(value)")"
        })
    }
    let note =
      "3 of 45 runs stopped before step 30, that of line 23 at 10: their losses are compared all "
      + "the same"
    #expect(try table { $0 == 128 && $1 == -8 ? 10 : 30 }.notes.contains(note))
    #expect(try table { _, _ in 30 }.notes.allSatisfy { !$0.contains("stopped") })
    // What diverges stops.
    let diverged = try table({ $1 == -6 ? 10 : 30 }, loss: "nan")
    #expect(diverged.notes.allSatisfy { !$0.contains("stopped") })
  }

  @Test func missingLoss_isAsked() throws {
    let headers = ["width,lr,seed,nll", "width,lr,seed,ppl", "width,lr,seed,loss/val"]
    for header in headers {
      let text = Self.grid(header) { "\($0),\(exp2($1)),\($2),\($3)" }
      #expect { _ = try Self.table(text) } throws: {
        "\($0)".contains("no column is known for the loss; name it with --loss-column")
      }
      let named = try Self.table(text, columns: [.loss: String(header.split(separator: ",")[3])])
      #expect(named.report.groups.first?.verdict.outcome == .transfers)
    }
    // A seed of its own for every run is no seed of best rates.
    let text = Self.grid("width,lr,seed,nll") {
      "\($0),\(exp2($1)),\(Int($1) * -3 + $2 + $0),\($3)"
    }
    #expect { _ = try Self.table(text) } throws: { "\($0)".contains("--loss-column") }
  }

  @Test func bestRatesOverSeeds_giveTheirDrift() throws {
    var lines = ["width,seed,lr"]
    for (width, rate) in [(64, -6.0), (128, -7), (256, -8)] {
      for seed in 1...3 { lines.append("\(width),\(seed),\(exp2(rate + 0.1 * Double(seed - 2)))") }
    }
    let table = try Self.table(lines.joined(separator: "\n"))
    let group = try #require(table.report.groups.first)
    #expect(abs(try #require(group.drift).octavesPerDoubling + 1) <= 1e-9)
    #expect(group.verdict.outcome == .inconclusive && group.widths.map(\.width) == [64, 128, 256])
    #expect(table.notes.last?.contains("means over 3 seeds") == true)
  }

  @Test(arguments: ["-log2(lr)", "−log2_lr", "config/-log2(lr)", "-log10(lr)"])
  func signOfARate_isKept(name: String) throws {
    let factor = name.contains("10") ? 1 / log2(10.0) : 1
    let text = Self.grid("width,\(name),seed,loss") { "\($0),\(-$1 * factor),\($2),\($3)" }
    let table = try Self.table(text)
    let first = try #require(table.report.groups.first?.widths.first)
    #expect(abs(try #require(first.log2LearningRate) + 8) <= 1e-6)
    #expect(table.notes.contains { $0.contains("sign") })
  }

  @Test(arguments: ["log_lr", "ln(lr)", "1/lr", "log2(1/lr)", "-lr"])
  func formOfRates_thatANameLeavesOpen_isAsked(name: String) throws {
    let text = Self.grid("width,\(name),seed,loss") { "\($0),\(-$1),\($2),\($3)" }
    #expect { _ = try Self.table(text, columns: [.rate: name]) } throws: {
      "\($0)".contains("--rates") || name == "log2(1/lr)"
    }
  }

  @Test func linesOfTheFile_areNamed_andCommentsPassedOver() throws {
    let text =
      "# made 2024\n\n" + Self.grid("width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" }
    #expect(try Self.table(text).report.groups.first?.verdict.outcome == .transfers)
    // Two numbers in a comment of four words are no header either.
    #expect(try Self.table("# a, b, 3, 4\n" + text).report.groups.first?.seeds == [1, 2, 3])
    for end in ["\n", "\r\n", "\r"] {
      let lines = ["# one", "", "width,lr,loss", "64,\"0.1\",1", "", "# two", "64,x,1"]
      #expect { _ = try Self.table(lines.joined(separator: end)) } throws: {
        "\($0)".contains("line 7: expected lr as a number, got \"x\"")
      }
    }
    #expect { _ = try Self.table("width,lr,loss,note\n64,0.1,1,\"a\nb\"\n64,x,1,c") } throws: {
      "\($0)".contains("line 4: expected lr")
    }
  }

  @Test func decimalCommas_areRead_whereFieldsAreSeparatedOtherwise() throws {
    let plain = try Self.table(
      Self.grid("width,lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" })
    let text = Self.grid("width;lr;seed;loss") {
      "\($0);\(exp2($1));\($2);\($3)".replacing(".", with: ",")
    }
    #expect(try Self.table(text).report.groups == plain.report.groups)
    #expect { _ = try Self.table(text + "\n512;0.01;1;1,5") } throws: {
      "\($0)".contains("a point in line 47 and a comma in line 2")
    }
    #expect { _ = try Self.table("width,lr,loss\n\"1,024\",0.1,1") } throws: {
      "\($0)".contains("got \"1,024\"")
    }
    #expect { _ = try Self.table("64;0,01;1,5\n128;0,01;2,5") } throws: {
      "\($0)".contains("no header")
    }
  }

  @Test func rowsWithoutAGroup_areCalledThat() throws {
    let text = Self.grid("width,lr,seed,loss,method") {
      "\($0),\(exp2($1)),\($2),\($3),\($0 == 64 && $1 == -10 ? "" : "")"
    }
    let other = Self.grid("") { "\($0),\(exp2($1)),\($2),\($3),mup" }
    let report = try Self.table(text + other).report
    #expect(report.groups.map(\.parametrization) == ["(no method)", "mup"])
  }

  @Test func dim_isAScaleOfItsOwnName_dModelAWidth() throws {
    for (name, axis) in [("dim", "dim"), ("d_model", nil), ("hidden_size", nil)] {
      let text = Self.grid("\(name),lr,seed,loss") { "\($0),\(exp2($1)),\($2),\($3)" }
      #expect(try Self.table(text).report.axes?.scale == axis)
    }
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
    #expect(group.deviation == nil && group.regret == nil && group.recommendation == nil)
    #expect(group.verdict.text.hasSuffix("best rates alone give no interval"))
    // A width that was asked for is on the line, or has its own.
    let beyond = try Self.table(text, target: 4096)
    let use = try #require(beyond.report.groups.first?.recommendation)
    #expect(use.basis == .line && use.interval == nil)
    #expect(abs(use.log2LearningRate + 15) <= 0.01)
    let lines = beyond.report.table().split(separator: "\n")
    #expect(
      lines.prefix(3) == [
        "results: best rates", "    width             best rate",
        "      128   2^−10.00 = 0.000977",
      ])
    #expect(lines.contains("     4096   2^−15.00 = 3.05e−05~"))
    #expect(
      lines.contains(
        "  use        2^−15.00 = 3.05e−05 at width 4096, by the line through the optima,"))
    #expect(lines.last == "~ not trained: what the best rates of the others say")
    let withLosses = text.replacing("lr", with: "lr,loss").replacing("e-4", with: "e-4,1")
      .replacing("e-5", with: "e-5,1")
    let row = "      256   2^−11.00 = 0.000488       1.0000"
    #expect(try Self.table(withLosses).report.table().split(separator: "\n").contains { $0 == row })
    let own = try Self.table(text, target: 512).report
    #expect(own.groups.first?.recommendation?.basis == .ownOptimum && !own.table().contains("~"))
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
    ("width,lr,loss\n64,x,1", "line 2: expected lr as a number, got \"x\""),
    ("width,lr,loss\n64,-7,1", "--rates log2"),
    ("width,lr,loss\n6.5,0.1,1", "whole number"),
    ("width,lr,loss\n64,0.1,1,2", "line 2: expected 3 fields, found 4"),
    ("width,lr,loss\n64,0.1,low", "a loss"),
    ("width,lr,seed,loss\n64,0.1,1,1\n64,0.1,1,2", "lines 2 and 3 are both of width 64"),
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
