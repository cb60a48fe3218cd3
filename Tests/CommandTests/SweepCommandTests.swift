import Foundation
import Testing

@Suite(.serialized, .runsPrograms) struct SweepCommandTests {
  /// A sweep of twelve short runs.
  static let small = [
    "sweep", "--data", CommandRunner.data, "--widths", "16,32", "--log2-lr", "-8:-4:3", "--seeds",
    "2", "--parametrization",
    "spectral", "--steps", "40", "--depth", "2", "--batch-size", "32",
  ]

  func summary(_ directory: URL) throws -> [[String]] {
    let text = try String(
      contentsOf: directory.appendingPathComponent("summary.csv"), encoding: .utf8)
    return text.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  /// Everything in the summary but the seconds.
  func results(_ directory: URL) throws -> [[String]] {
    try summary(directory).map { $0.enumerated().filter { $0.offset != 13 }.map(\.element) }
  }

  /// What the runs leave, with their records; checkpoints are gone.
  func files(_ directory: URL) throws -> [String: Data] {
    let runs = directory.appendingPathComponent("runs")
    var files: [String: Data] = [:]
    for run in try FileManager.default.contentsOfDirectory(atPath: runs.path) {
      let place = runs.appendingPathComponent(run)
      for name in try FileManager.default.contentsOfDirectory(atPath: place.path)
      where !name.hasPrefix(".") {
        files["\(run)/\(name)"] =
          name == "metrics.jsonl"
          ? try Data(contentsOf: place.appendingPathComponent(name)) : Data()
      }
    }
    return files
  }

  @Test func sweep_writesTheStore_andItsVerdict_andIsExtendedByMissingCells() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let result = try CommandRunner.run(Self.small + ["--out", out.path])
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.output.contains("spectral, adam: training loss, 2 seeds"))
      #expect(result.output.contains("verdict"))
      #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
      #expect(result.errors.contains("device: "))
      let rows = try summary(out)
      #expect(
        rows[0].joined(separator: ",")
          == "parametrization,optimizer,width,depth,log2_learning_rate,seed,epochs,steps,"
          + "first_epoch_train_loss,train_loss,validation_loss,validation_accuracy,outcome,"
          + "seconds,run,best_validation_loss,whole_train_loss")
      #expect(rows.count == 13)
      for row in rows.dropFirst() {
        let run = out.appendingPathComponent("runs/\(row[14])")
        for file in ["config.json", "metrics.jsonl", "result.json"] {
          #expect(FileManager.default.fileExists(atPath: run.appendingPathComponent(file).path))
        }
        #expect(row[6] == "8" && row[7] == "40" && row[12] == "completed")
        #expect(try #require(Double(row[9])) < 1.2)
      }
      let again = try CommandRunner.run(Self.small + ["--json", "--out", out.path])
      #expect(again.status == 0)
      #expect(again.errors.contains("all 12 runs are there already; nothing to run"))
      #expect(try summary(out) == rows)
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
      #expect(object["runs"] as? Int == 12 && object["interrupted"] as? Bool == false)
      let report = try #require(object["report"] as? [String: Any])
      #expect((report["groups"] as? [Any])?.count == 1)
      var wider = Self.small
      wider[wider.firstIndex(of: "16,32")!] = "16,32,48"
      let more = try CommandRunner.run(wider + ["--out", out.path])
      #expect(more.errors.contains("12 of 18 runs are there already; running the others"))
      #expect(try summary(out).count == 19)
    }
  }

  /// Killed as by a power cut, or by Ctrl-C, when some of its runs are done: the rerun ends as if never
  /// stopped.
  @Test func stoppedSweep_endsTheSame() throws {
    var longer = Self.small
    longer[longer.firstIndex(of: "16,32")!] = "16,24,32"
    longer[longer.firstIndex(of: "40")!] = "500"
    longer += ["--checkpoint-every", "50"]
    try CommandRunner.withTemporaryDirectory { directory in
      let whole = directory.appendingPathComponent("whole")
      _ = try CommandRunner.run(longer + ["--out", whole.path])
      for signal in [SIGKILL, SIGINT] {
        var stops = 0
        // Of 18 runs in groups of six: when the store is there, and when one group is done.
        for done in [0, 6] {
          let broken = directory.appendingPathComponent("broken\(signal)-\(done)")
          let runs = broken.appendingPathComponent("runs")
          let stopped = try CommandRunner.run(
            longer + ["--out", broken.path], signal: (signal, 0.02),
            once: {
              let names = try? FileManager.default.contentsOfDirectory(atPath: runs.path)
              let results = names?.count {
                FileManager.default.fileExists(
                  atPath: runs.appendingPathComponent("\($0)/result.json").path)
              }
              return results.map { $0 >= done } ?? false
            })
          // A signal's own number where it killed, 130 where Ctrl-C was understood, 0 where it came late.
          #expect(
            [0, 130, signal].contains(stopped.status), "after \(done) runs: \(stopped.errors)")
          if stopped.status != 0 { stops += 1 }
          let rest = try CommandRunner.run(longer + ["--out", broken.path])
          #expect(rest.status == 0, "after \(done) runs: \(rest.errors)")
          #expect(try results(broken) == results(whole), "after \(done) runs")
          #expect(try files(broken) == files(whole), "after \(done) runs")
        }
        #expect(stops > 0, "signal \(signal)")
      }
    }
  }

  /// Stopped before any run was done, the same command finds the place and goes on in it.
  @Test func stoppedInItsFirstGroup_goesOnFromThere() throws {
    var long = Self.small
    long[long.firstIndex(of: "16,32")!] = "16"
    long[long.firstIndex(of: "40")!] = "2000"
    // A machine may be through or not have begun by any one moment.
    for moment in [0.25, 0.5, 0.1, 1, 0.03, 2, 4] {
      let isStopped = try CommandRunner.withTemporaryDirectory { directory in
        let runs = directory.appendingPathComponent("runs")
        // Once the store is there training is about to begin.
        let stopped = try CommandRunner.run(
          long, in: directory, signal: (SIGINT, moment),
          once: { FileManager.default.fileExists(atPath: runs.path) })
        guard stopped.status == 130 && stopped.errors.contains("runs under way at step") else {
          return false
        }
        let rest = try CommandRunner.run(long, in: directory)
        #expect(rest.status == 0 && rest.errors.contains("continuing runs/"), "\(rest.errors)")
        #expect(
          rest.errors.contains("6 runs resume from where they were stopped"), "\(rest.errors)")
        return true
      }
      if isStopped { return }
    }
    Issue.record("never stopped in the first group")
  }

  @Test func sameCommandWithoutDirectory_continuesWhatWasStopped() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var half = Self.small
      half[half.firstIndex(of: "-8:-4:3")!] = "-8,-6"
      _ = try CommandRunner.run(half, in: directory)
      let runs = directory.appendingPathComponent("runs")
      #expect(try FileManager.default.contentsOfDirectory(atPath: runs.path).count == 1)
      let result = try CommandRunner.run(Self.small, in: directory)
      #expect(result.errors.contains("continuing runs/"))
      #expect(result.errors.contains("8 of 12 runs are there already"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: runs.path).count == 1)
    }
  }

  @Test func multiplicationRoutes_agreeToRounding() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var losses: [[Double]] = []
      for route in ["clblast", "openblas", "opencl"] {
        let out = directory.appendingPathComponent(route)
        let result = try CommandRunner.run(
          // Smooth: where a ReLU's kink lies between two roundings, networks go ways of their own.
          Self.small + [
            // So do trainings at the highest rates.
            "--log2-lr", "-10:-7:3", "--activation", "tanh", "--gemm", route, "--device", "cpu",
            "--out", out.path,
          ])
        #expect(result.status == 0, "\(result.errors)")
        losses.append(try summary(out).dropFirst().map { try #require(Double($0[9])) })
      }
      for other in losses.dropFirst() {
        for (left, right) in zip(losses[0], other) {
          // Forty steps of Adam, which divides small gradients by their own size.
          #expect(abs(left - right) <= 2e-4 * left)
        }
      }
    }
  }

  /// Runs that were done before are written too, once they are asked for.
  @Test func tensorboard_hasEveryRun() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      var fewer = Self.small
      fewer[fewer.firstIndex(of: "-8:-4:3")!] = "-8,-6"
      _ = try CommandRunner.run(fewer + ["--out", out.path])
      let result = try CommandRunner.run(Self.small + ["--out", out.path, "--tensorboard"])
      #expect(result.status == 0, "\(result.errors)")
      let events = out.appendingPathComponent("tensorboard")
      let names = try FileManager.default.contentsOfDirectory(atPath: events.path)
      #expect(names.count == 12 && names.contains("spectral-adam-width16-lr-6-seed2"))
      for name in names {
        let files = try FileManager.default.contentsOfDirectory(
          atPath: events.appendingPathComponent(name).path)
        #expect(files.count == 1 && files[0].hasPrefix("events.out.tfevents."))
      }
    }
  }

  @Test func divergedRuns_areRecorded_andTheOthersGoOn() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let result = try CommandRunner.run([
        "sweep", "--widths", "16", "--log2-lr", "-6,16", "--seeds", "1", "--parametrization", "sp",
        "--optimizer", "sgd", "--steps", "30", "--depth", "8", "--activation", "identity", "--out",
        out.path,
      ])
      #expect(result.status == 0, "\(result.errors)")
      let rows = try summary(out)
      #expect(rows[1][12] == "completed" && Double(rows[1][9]) != nil)
      #expect(rows[2][12] == "diverged" && rows[2][9].isEmpty)
    }
  }

  @Test func train_printsItsLosses_andKeepsThem() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let arguments = [
        "train", "--width", "24", "--epochs", "2", "--depth", "1", "--batch-size", "100", "--out",
        out.path,
      ]
      let result = try CommandRunner.run(arguments)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.output.contains(" epoch    step  train loss\n     1      99  "))
      #expect(result.output.contains("     2     198  "))
      #expect(result.output.contains("validation loss"))
      let json = try CommandRunner.run(arguments + ["--json"])
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
      #expect((object["result"] as? [String: Any])?["outcome"] as? String == "completed")
    }
  }
}
