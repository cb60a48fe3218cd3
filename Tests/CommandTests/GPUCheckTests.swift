import Foundation
import Testing

/// `make gpu-check`: its page, and that no part that fails or hangs loses the others. Whatever it would
/// ask of a GPU, a shell script answers here.
@Suite(.runsPrograms, .enabled(if: CommandRunner.installed("python3") != nil))
struct GPUCheckTests {
  private static let scripts = ReadmeShell.root.appendingPathComponent("Benchmarks/GPU")

  private func python(
    _ script: String, _ arguments: [String], in directory: URL,
    signal: (number: Int32, seconds: Double)? = nil, once condition: () -> Bool = { true }
  ) throws -> CommandResult {
    // Modules that are only looked for, not imported.
    for name in ["torch.py", "jax.py"] {
      try Data().write(to: directory.appendingPathComponent(name))
    }
    return try CommandRunner.run(
      ["python3", "-B", Self.scripts.appendingPathComponent(script).path] + arguments,
      executable: URL(fileURLWithPath: "/usr/bin/env"), in: directory, signal: signal,
      once: condition, environment: ["PYTHONPATH": directory.path])
  }

  /// A script of the folder, which can be run; its path.
  private func executable(_ name: String, _ text: String, in directory: URL) throws -> String {
    let file = directory.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    return file.path
  }

  /// The page and what the terminal shows of these results.
  private func pageMade(of results: String) throws -> (page: String, output: String) {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data(results.utf8).write(to: directory.appendingPathComponent("results.json"))
      let result = try python("page.py", ["results.json", "."], in: directory)
      #expect(result.status == 0, "\(result.errors)")
      let file = directory.appendingPathComponent("2026-01-02-gpu-h100-80gb-hbm3.md")
      return (try String(contentsOf: file, encoding: .utf8), result.output)
    }
  }

  private func expect(_ page: String, contains words: [String]) {
    for words in words {
      #expect(page.contains(words), "\(words)\nis not in\n\(page)")
    }
  }

  /// What a check left in its folder `out`: the results, and the page of a Fake GPU.
  private func outcome(in directory: URL) throws -> (results: String, page: String) {
    let folder = directory.appendingPathComponent("out")
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.path)
        .first { $0.hasSuffix("-gpu-fake-gpu.md") })
    func text(_ name: String) throws -> String {
      try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }
    return (try text("results.json"), try text(name))
  }

  /// What a check leaves: two routes that pass and one that does not, a step in three precisions
  /// beside PyTorch, a sweep that was not reached, facts that were cut.
  private static let results = """
    {"date": "2026-01-02", "small": false, "version": "abc",
     "device": {"name": "NVIDIA H100 80GB HBM3", "kind": "gpu", "driver": "535.1",
       "platform": "NVIDIA CUDA", "version": "OpenCL 3.0 CUDA"},
     "machine": {"processor": "Some CPU", "cores": 16, "system": "Linux", "card": {}},
     "parts": [{"name": "facts", "state": "cut", "seconds": 60, "reason": "still running after 60 s"},
       {"name": "search of tiles", "state": "left out", "seconds": 0, "reason": "no time"}],
     "facts": [{"name": "launch_and_wait_us", "value": 9.5}, {"name": "options", "error": "bad"}],
     "selftests": [
       {"gemm": "tiled", "precision": "fp32", "state": "done", "passes": true, "items": 16,
        "worst": 0.1, "seconds": 30},
       {"gemm": "tiled", "precision": "tf32x3", "state": "done", "passes": true, "items": 16,
        "worst": 0.2, "seconds": 31},
       {"gemm": "tiled", "precision": "tf32", "state": "done", "passes": true, "items": 16,
        "worst": 0.2, "seconds": 31},
       {"gemm": "clblast", "precision": "fp32", "state": "failed", "passes": false, "items": 16,
        "worst": 7, "seconds": 3, "failures": ["product nn 1×10×64: error 7 > 1"],
        "reason": "status 1"}],
     "peers": {"torch": {"version": "2.9", "device": "cuda", "card": "NVIDIA A100"},
       "graph": {"version": "2.9", "card": "NVIDIA H100 80GB HBM3"},
       "jax": {"error": "no jax in python3"}},
     "plan": [
       {"case": {"what": "step", "inputs": 3072, "width": 4096, "depth": 2, "batch": 64,
          "optimizer": "adam", "precision": "fp32"}, "rounds": 2,
        "routes": [["tiled", "fp32"], ["tiled", "tf32x3"], ["clblast", "fp32"]],
        "peers": ["torch", "graph", "jax"]},
       {"case": {"what": "step", "inputs": 3072, "width": 4096, "depth": 2, "batch": 64,
          "optimizer": "adam", "precision": "tf32"}, "rounds": 1, "routes": [["tiled", "tf32"]],
        "peers": ["torch"]},
       {"case": {"what": "sweep", "inputs": 64, "width": 64, "depth": 2, "batch": 64,
          "optimizer": "adam", "replicas": 32, "precision": "fp32"}, "rounds": 1,
        "routes": [["tiled", "fp32"]], "peers": ["torch"]},
       {"case": {"what": "gemm", "form": "nt", "m": 1, "n": 1, "k": 1, "precision": "bf16"},
        "rounds": 1, "routes": [["tiled", "bf16"]], "peers": ["torch"]}],
     "measurements": [
       {"entry": 0, "round": 0, "side": "tiled fp32", "milliseconds": 1.0},
       {"entry": 3, "round": 0, "side": "tiled bf16", "milliseconds": 1, "gflops": 2000,
        "relative_error": 2.5e-3, "host_share": 0.5},
       {"entry": 0, "round": 0, "side": "tiled tf32x3", "milliseconds": 0.8},
       {"entry": 0, "round": 0, "side": "clblast fp32", "milliseconds": 0.1},
       {"entry": 0, "round": 0, "side": "torch", "milliseconds": 1.6},
       {"entry": 0, "round": 0, "side": "graph", "milliseconds": 0.4},
       {"entry": 0, "round": 1, "side": "tiled fp32", "milliseconds": 1.0},
       {"entry": 0, "round": 1, "side": "tiled tf32x3", "milliseconds": 0.8},
       {"entry": 0, "round": 1, "side": "clblast fp32", "error": "CL_INVALID_VALUE (-30)"},
       {"entry": 0, "round": 1, "side": "torch", "milliseconds": 1.6},
       {"entry": 1, "round": 0, "side": "tiled tf32", "milliseconds": 0.4, "host_share": 0.2},
       {"entry": 1, "round": 0, "side": "torch", "milliseconds": 1.2}]}
    """

  @Test func page_saysWhatToUse_howFast_andWhatFailed() throws {
    let (page, output) = try pageMade(of: Self.results)
    // A route that is fast and wrong is not what is recommended, nor what ratios are taken of.
    expect(
      page,
      contains: [
        "On this card use `--gemm tiled --precision tf32x3`: it passes the self-test, and is the "
          + "fastest of 2 such routes in training steps (1 case). It is as exact as fp32.",
        "Training steps are 2.0 times as fast as PyTorch eager, 0.50 times as fast as PyTorch graph "
          + "+ fused, all in fp32.",
        "Where products may round to TF32, `--gemm tiled --precision tf32` takes a step in 0.50 of "
          + "that time.", "There it is 3.0 times as fast as PyTorch eager.",
        "Failed: self-test of clblast fp32 (product nn 1×10×64: error 7 > 1). "
          + "Not finished: facts (still running after 60 s). "
          + "Not measured: search of tiles; JAX (no jax in python3); 1 of 4 cases.",
        "PyTorch eager: 2.9, on cuda (NVIDIA A100).",
        "PyTorch eager computes on NVIDIA A100, gputrain on NVIDIA H100 80GB HBM3: the names "
          + "differ",
        "tiled tf32 400 µs (host 80.0 µs)",
        "tiled bf16 1.00 ms (2.00 TFLOP/s, error 2.5e-03)", "operands and results in bf16",
      ])
    #expect(!page.contains("PyTorch graph + fused computes on"))
    let start = "| step 3072–4096², batch 64, adam, fp32"
    let row = try #require(page.split(separator: "\n").first { $0.hasPrefix(start) })
    #expect(row.contains("| 1.60 ms | 400 µs | none: no jax in python3 |"))
    #expect(row.contains("tiled fp32 1.00 ms; tiled tf32x3 800 µs; clblast fp32 100 µs"))
    #expect(row.hasSuffix("| 2.0 | 0.50 | – |"))
    #expect(page.contains("none: no time was left"))
    #expect(page.contains("| launch and wait us | 9.5 |"))
    #expect(page.contains("| options | failed: bad |"))
    #expect(output.contains("2.0× ours"))
    #expect(output.contains("self-test clblast fp32: FAILS: product nn"))
  }

  /// CLBlast takes no part in sweeps: its steps say nothing of them.
  @Test func routesForStepsAndSweeps_areChosenByWhatTheyWereTimedIn() throws {
    let passing = Self.results
      .replacingOccurrences(
        of: #""state": "failed", "passes": false"#, with: #""state": "done", "passes": true"#
      )
      .replacingOccurrences(
        of: #""measurements": ["#,
        with: """
          "measurements": [{"entry": 2, "round": 0, "side": "tiled fp32", "milliseconds": 2},
          {"entry": 2, "round": 0, "side": "torch", "milliseconds": 6},
          """)
    let (page, _) = try pageMade(of: passing)
    expect(
      page,
      contains: [
        "On this card use `--gemm clblast --precision fp32` for training steps and `--gemm tiled "
          + "--precision fp32` for sweeps: they pass the self-test, and are the fastest of 3 such "
          + "routes in training steps (1 case). Training steps are 16 times as fast as PyTorch",
        "Sweeps of 32 networks are 3.0 times as fast as PyTorch eager, all in fp32.",
        "takes a step in 4.0 of that time", "| 16 | 4.0 | – |",
      ])
  }

  @Test(arguments: [
    ("cut", "not finished: status 1", "Not finished: facts (still running after 60 s); self-test"),
    ("left out", "not run: status 1", "Not measured: search of tiles; self-test of clblast fp32;"),
  ]) func testWithoutEnd_saysNothingOfTheCard(state: String, verdict: String, words: String) throws
  {
    let unknown = Self.results
      .replacingOccurrences(of: #""state": "failed""#, with: #""state": "\#(state)""#)
      .replacingOccurrences(
        of: #" "failures": ["product nn 1×10×64: error 7 > 1"],"#, with: "")
    let (some, output) = try pageMade(of: unknown)
    expect(some, contains: [words, "| clblast fp32 | \(verdict) |"])
    #expect(output.contains("self-test clblast fp32: \(verdict)"))
    #expect(!some.contains("FAILS") && !some.contains("Failed:"))

    let none = unknown.replacingOccurrences(of: #""passes": true"#, with: #""passes": false"#)
      .replacingOccurrences(of: #""state": "done""#, with: #""state": "\#(state)", "reason": "x""#)
    expect(
      try pageMade(of: none).page,
      contains: ["Whether results are right on this card is not known: no self-test was finished;"])
    let one = unknown.replacingOccurrences(of: #""passes": true"#, with: #""passes": false"#)
    expect(
      try pageMade(of: one).page,
      contains: ["Do not use this card yet: no self-test that was finished passed; of the other"])
  }

  /// Answers as gputrain would on a GPU; CLBlast's self-test hangs, and so does what it starts.
  private static let program = #"""
    #!/bin/bash
    for word; do
      case $word in --gemm=*) gemm=${word#*=} ;; --precision=*) precision=${word#*=} ;; esac
    done
    gpu='{"index": 0, "name": "Fake GPU", "kind": "gpu", "memoryBytes": 1}'
    group='{"parametrization": "spectral", "verdict": {"text": "transfers"}}'
    case $1 in
    devices) echo "{\"devices\": [$gpu], \"drivers\": []}" ;;
    selftest)
      [ "$gemm" = clblast ] && { sleep 1000; exit 1; }
      echo '{"passes": true, "items": [{"name": "a", "error": 1, "bound": 2, "passes": true}]}'
      ;;
    bench)
      [ "$precision" = bf16 ] && { echo 'no bf16 today' >&2; exit 1; }
      echo '{"milliseconds": 2, "gflops": 1, "details": {"passes": 2, "relative_error": "nan"}}'
      ;;
    sweep) echo "{\"report\": {\"groups\": [$group]}}" ;;
    tune) echo 'no tune today' >&2; exit 3 ;;
    esac
    """#

  /// A peer that takes twice as long.
  private static let worker = """
    import json, sys
    if sys.argv[1] == "jax":
        sys.exit("no such backend")
    about = {"version": "9.9", "threads": 1, "device": "cuda", "card": "Fake GPU"}
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        assert json.loads(line)["precision"] in ("fp32", "tf32", "bf16")
        print(json.dumps({"milliseconds": [4, 4, 4]}), flush=True)
    """

  @Test func partThatHangs_isCut_andTheRestReports() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let program = try executable("gputrain", Self.program, in: directory)
      let worker = directory.appendingPathComponent("worker.py")
      try Data(Self.worker.utf8).write(to: worker)
      let result = try python(
        "check.py",
        [
          "--program", program, "--out", "out", "--small", "--worker", worker.path, "--limit",
          "selftest=8",
        ], in: directory)
      #expect(result.status == 0, "\(result.output)\(result.errors)")
      let (text, page) = try outcome(in: directory)
      let results = try #require(
        try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      let parts = try #require(results["parts"] as? [[String: Any]])
      let states = Dictionary(
        uniqueKeysWithValues: parts.map { ($0["name"] as? String ?? "", $0["state"] as? String) })
      #expect(
        states == [
          "machine": "done", "devices": "done", "facts": "failed", "self-tests": "cut",
          "comparison": "done", "time by kernel": "done", "default sweep, tiled fp32": "done",
          "default sweep, tiled tf32x3": "done", "search of tiles": "failed",
        ])
      let tests = try #require(results["selftests"] as? [[String: Any]])
      #expect(tests.count == 5 && tests.count { $0["passes"] as? Bool == true } == 4)
      expect(
        page,
        contains: [
          "Training steps are 2.0 times as fast as PyTorch eager, 2.0 times as fast as PyTorch",
          "Not finished: self-test of clblast fp32 (still running after 8 s).",
          "tiled bf16 at gemm nt 64×256×256, bf16 (status 1: no bf16 today)",
          "JAX (it does not start", "(no such backend)", "| tiled fp32 | 0 | spectral transfers |",
        ])
      let advice = try #require(page.split(separator: "\n").dropFirst().first)
      #expect(advice.components(separatedBy: "search of tiles (status 3: no tune").count == 2)
      #expect(result.output.contains("PyTorch eager") && result.output.contains("2.0× ours"))
    }
  }

  /// A framework without its GPU part computes on the CPU, which is no comparison.
  @Test func peerOnAnotherDevice_takesNoPart() throws {
    let worker = """
      import json, os, sys
      name = sys.argv[1]
      device = {"torch": "cpu", "graph": "cuda", "jax": "rocm"}[name]
      seen = [os.environ.get(v) for v in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS")]
      print(json.dumps({"version": name, "device": device, "seen": seen}), flush=True)
      for line in sys.stdin:
          print(json.dumps({"milliseconds": [4]}), flush=True)
      """
    try CommandRunner.withTemporaryDirectory { directory in
      let program = try executable("gputrain", Self.program, in: directory)
      let file = directory.appendingPathComponent("worker.py")
      try Data(worker.utf8).write(to: file)
      func lines(_ kind: String) throws -> [[String: Any]] {
        let result = try python(
          "drive.py",
          [
            "--program", program, "--kind", kind, "--seconds-left", "120", "--small", "--python",
            "python3", "--worker", file.path,
          ], in: directory)
        #expect(result.status == 0, "\(result.errors)")
        return try result.output.split(separator: "\n").map {
          try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
      }
      for (kind, errors) in [
        ("gpu", ["torch": "computes on the CPU"]),
        ("cpu", ["graph": "computes on the GPU", "jax": "computes on the GPU"]),
      ] {
        let said = try lines(kind)
        let peers = said.filter { $0["peer"] != nil }
        #expect(peers.count == 3)
        for peer in peers {
          let name = try #require(peer["peer"] as? String)
          #expect(peer["error"] as? String == errors[name], "\(name) for \(kind)")
          if kind == "cpu" { #expect(peer["seen"] as? [String] == ["", "cpu"]) }
        }
        let measured = Set(
          said.filter { $0["milliseconds"] != nil }.compactMap { $0["side"] as? String })
        #expect(measured.isDisjoint(with: errors.keys))
        #expect(!measured.isDisjoint(with: ["torch", "graph"]))
      }
    }
  }

  /// Whether a process is there and not only waiting for its parent to ask how it ended.
  private func isRunning(_ process: pid_t) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    return state?.contains(") Z ") != true
  }

  @Test(arguments: [SIGINT, SIGTERM]) func interruptedCheck_endsWhatRuns_andWrites(
    signal: Int32
  ) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      // A self-test that does not heed signals, and one that it has started.
      let hanging = Self.program.replacingOccurrences(
        of: "{ sleep 1000; exit 1; }",
        with: #"{ trap '' INT TERM; sleep 1000 & echo $$ $! >>"$0.ids"; wait; }"#)
      let program = try executable("gputrain", hanging, in: directory)
      let ids = { try? String(contentsOfFile: program + ".ids", encoding: .utf8) }
      let result = try python(
        "check.py", ["--program", program, "--out", "out", "--small"], in: directory,
        signal: (signal, 0.1), once: { ids()?.hasSuffix("\n") == true })
      #expect(result.status == 130, "\(result.output)\(result.errors)")
      let processes = (ids() ?? "").split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
      #expect(processes.count == 2)
      // Killed, they end as soon as the system comes to it.
      let end = ContinuousClock.now + .seconds(60)
      while processes.contains(where: isRunning) && ContinuousClock.now < end {
        Thread.sleep(forTimeInterval: 0.01)
      }
      #expect(!processes.contains(where: isRunning))
      let (results, page) = try outcome(in: directory)
      #expect(results.contains(#""the check was interrupted""#))
      expect(page, contains: ["clblast fp32 | not finished: the check was interrupted |"])
      #expect(result.output.contains("Results so far: "))
    }
  }

  @Test func numbersThatAreNone_areWrittenInWords() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let broken = Self.program
        .replacingOccurrences(of: "sleep 1000", with: "false")
        .replacingOccurrences(
          of: #"[{"name": "a", "error": 1, "bound": 2, "passes": true}]"#,
          with: #"[{"name": "a", "error": "nan", "bound": 2, "passes": false}]"#
        )
        .replacingOccurrences(of: #"{"passes": true, "items""#, with: #"{"passes": false, "items""#)
      let program = try executable("gputrain", broken, in: directory)
      let result = try python(
        "check.py", ["--program", program, "--out", "out", "--small"], in: directory)
      #expect(result.status == 1, "\(result.output)\(result.errors)")
      let (results, page) = try outcome(in: directory)
      #expect(results.contains(#""worst": "nan""#) && !results.contains("NaN"))
      expect(
        page, contains: ["FAILS: a: error nan > 2", "Do not use this card yet: no route passed"])
    }
  }

  @Test func devicesThatCannotBeListed_resultsAreWritten() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let program = try executable("gputrain", "#!/bin/bash\necho '{}'\n", in: directory)
      let result = try python("check.py", ["--program", program, "--out", "out"], in: directory)
      #expect(result.status == 1)
      expect(result.output, contains: ["No device was found: they cannot be listed: KeyError"])
      #expect(
        FileManager.default.fileExists(
          atPath: directory.appendingPathComponent("out/results.json").path))
    }
  }

  /// What Python 3.6 and 3.7 would take for mistakes of syntax is not begun.
  @Test func withoutPython_selfTestsShareTheTime_andAreLogged() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let program = try executable(
        "gputrain",
        "#!/bin/bash\necho \"asked: $*\"\ncase $* in *clblast*) exec sleep 1000 ;; esac\n",
        in: directory)
      _ = try executable("python3", "#!/bin/bash\nexit 1\n", in: directory)
      let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
      let result = try CommandRunner.run(
        ["bash", Self.scripts.appendingPathComponent("check.sh").path],
        executable: URL(fileURLWithPath: "/usr/bin/env"), in: directory,
        environment: [
          "PATH": "\(directory.path):\(path)", "GPUTRAIN": program, "DEVICE": "cpu", "BUDGET": "40",
          "OUT": "out", "PYTHON": "",
        ])
      #expect(result.status == 1, "\(result.errors)")
      let log = try String(
        contentsOf: directory.appendingPathComponent("out/log.txt"), encoding: .utf8)
      #expect(result.output.hasSuffix(log))
      expect(
        log,
        contains: [
          "asked: devices\n", "--gemm opencl --precision fp32\n", "--gemm tiled --precision fp32\n",
          "gpu-check: clblast fp32: not finished in time",
        ])
      #expect(!log.contains("tf32") && !log.contains("bf16"))
    }
  }

  @Test func withoutTime_everythingIsLeftOut_andSaid() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let result = try python(
        "check.py", ["--program", "none", "--out", "out", "--budget", "1"], in: directory)
      #expect(result.status == 1)
      #expect(result.output.contains("No device was found: no time was left for it"))
      #expect(
        FileManager.default.fileExists(
          atPath: directory.appendingPathComponent("out/results.json").path))
    }
  }
}
