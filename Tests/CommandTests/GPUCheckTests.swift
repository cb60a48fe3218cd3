import Foundation
import Testing

/// Whether there is a Python for the scripts of `make gpu-check`.
private let hasPython =
  (try? CommandRunner.run(
    ["python3", "-c", ""], executable: URL(fileURLWithPath: "/usr/bin/env")))?.status == 0

/// `make gpu-check`: its page, and that no part that fails or hangs loses the others. Whatever it would
/// ask of a GPU, a shell script answers here.
@Suite(.enabled(if: hasPython)) struct GPUCheckTests {
  private static let scripts = ReadmeShell.root.appendingPathComponent("Benchmarks/GPU")

  private func python(_ script: String, _ arguments: [String], in directory: URL) throws
    -> CommandResult
  {
    try CommandRunner.run(
      ["python3", "-B", Self.scripts.appendingPathComponent(script).path] + arguments,
      executable: URL(fileURLWithPath: "/usr/bin/env"), in: directory)
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
     "peers": {"torch": {"version": "2.9", "device": "cuda"}, "graph": {"version": "2.9"},
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
        "routes": [["tiled", "fp32"]], "peers": ["torch"]}],
     "measurements": [
       {"entry": 0, "round": 0, "side": "tiled fp32", "milliseconds": 1.0},
       {"entry": 0, "round": 0, "side": "tiled tf32x3", "milliseconds": 0.8},
       {"entry": 0, "round": 0, "side": "clblast fp32", "milliseconds": 0.1},
       {"entry": 0, "round": 0, "side": "torch", "milliseconds": 1.6},
       {"entry": 0, "round": 0, "side": "graph", "milliseconds": 0.4},
       {"entry": 0, "round": 1, "side": "tiled fp32", "milliseconds": 1.0},
       {"entry": 0, "round": 1, "side": "tiled tf32x3", "milliseconds": 0.8},
       {"entry": 0, "round": 1, "side": "clblast fp32", "error": "CL_INVALID_VALUE (-30)"},
       {"entry": 0, "round": 1, "side": "torch", "milliseconds": 1.6},
       {"entry": 1, "round": 0, "side": "tiled tf32", "milliseconds": 0.4},
       {"entry": 1, "round": 0, "side": "torch", "milliseconds": 1.2}]}
    """

  @Test func page_saysWhatToUse_howFast_andWhatFailed() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data(Self.results.utf8).write(to: directory.appendingPathComponent("results.json"))
      let result = try python("page.py", ["results.json", "."], in: directory)
      #expect(result.status == 0, "\(result.errors)")
      let page = try String(
        contentsOf: directory.appendingPathComponent("2026-01-02-gpu-h100-80gb-hbm3.md"),
        encoding: .utf8)
      // A route that is fast and wrong is not what is recommended, nor what ratios are taken of.
      for words in [
        "On this card use `--gemm tiled --precision tf32x3`: it passes the self-test, and is the "
          + "fastest of 2 such routes in training. It is as exact as fp32.",
        "Training steps are 2.0 times as fast as PyTorch eager, 0.50 times as fast as PyTorch graph "
          + "+ fused, all in fp32.",
        "Where products may round to TF32, `--gemm tiled --precision tf32` takes a step in 0.50 of "
          + "that time.", "There it is 3.0 times as fast as PyTorch eager.",
        "facts (still running after 60 s)",
        "self-test of clblast fp32 (product nn 1×10×64: error 7 > 1)",
        "Not measured: search of tiles; JAX (no jax in python3); 1 of 3 cases.",
      ] {
        #expect(page.contains(words), "\(words)\nis not in\n\(page)")
      }
      let start = "| step 3072–4096², batch 64, adam, fp32"
      let row = try #require(page.split(separator: "\n").first { $0.hasPrefix(start) })
      #expect(row.contains("| 1.60 ms | 400 µs | none: no jax in python3 |"))
      #expect(row.contains("tiled fp32 1.00 ms; tiled tf32x3 800 µs; clblast fp32 100 µs"))
      #expect(row.hasSuffix("| 2.0 | 0.50 | – |"))
      #expect(page.contains("none: no time was left"))
      #expect(page.contains("| launch and wait us | 9.5 |"))
      #expect(page.contains("| options | failed: bad |"))
      #expect(result.output.contains("2.0× ours"))
      #expect(result.output.contains("self-test clblast fp32: FAILS: product nn"))
    }
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
    print(json.dumps({"version": "9.9", "threads": 1, "device": "fake"}), flush=True)
    for line in sys.stdin:
        assert json.loads(line)["precision"] in ("fp32", "tf32", "bf16")
        print(json.dumps({"milliseconds": [4, 4, 4]}), flush=True)
    """

  @Test func partThatHangs_isCut_andTheRestReports() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let program = directory.appendingPathComponent("gputrain")
      try Data(Self.program.utf8).write(to: program)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
      let worker = directory.appendingPathComponent("worker.py")
      try Data(Self.worker.utf8).write(to: worker)
      // Modules that are only looked for, not imported.
      for name in ["torch.py", "jax.py"] {
        try Data().write(to: directory.appendingPathComponent(name))
      }
      let result = try CommandRunner.run(
        [
          "python3", "-B", Self.scripts.appendingPathComponent("check.py").path,
          "--program", program.path, "--out", "out", "--small", "--worker", worker.path,
          "--limit", "selftest=8",
        ], executable: URL(fileURLWithPath: "/usr/bin/env"), in: directory,
        environment: ["PYTHONPATH": directory.path])
      #expect(result.status == 0, "\(result.output)\(result.errors)")
      let folder = directory.appendingPathComponent("out")
      let data = try Data(contentsOf: folder.appendingPathComponent("results.json"))
      let results = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let parts = try #require(results["parts"] as? [[String: Any]])
      let states = Dictionary(
        uniqueKeysWithValues: parts.map { ($0["name"] as? String ?? "", $0["state"] as? String) })
      #expect(
        states == [
          "machine": "done", "devices": "done", "facts": "failed", "self-tests": "cut",
          "comparison": "done", "default sweep, tiled fp32": "done",
          "default sweep, tiled tf32x3": "done", "search of tiles": "failed",
        ])
      let tests = try #require(results["selftests"] as? [[String: Any]])
      #expect(tests.count == 5 && tests.count { $0["passes"] as? Bool == true } == 4)
      let name = try #require(
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
          .first { $0.hasSuffix("-gpu-fake-gpu.md") })
      let page = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      for words in [
        "Training steps are 2.0 times as fast as PyTorch eager, 2.0 times as fast as PyTorch graph",
        "self-test of clblast fp32 (still running after 8 s)", "search of tiles (status 3: no tune",
        "tiled bf16 at gemm nt 64×256×256, bf16 (status 1: no bf16 today)",
        "JAX (it does not start", "(no such backend)", "| tiled fp32 | 0 | spectral transfers |",
      ] {
        #expect(page.contains(words), "\(words)\nis not in\n\(page)")
      }
      #expect(result.output.contains("PyTorch eager") && result.output.contains("2.0× ours"))
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
