import Foundation
import OpenCL
import Tensors
import Testing

/// `gputrain tune`, each run with a cache directory of its own; compiled kernels stay shared.
@Suite(.serialized, .runsPrograms) struct TuneCommandTests {
  private func run(_ arguments: [String], cache: URL) throws -> CommandResult {
    try CommandRunner.run(arguments, environment: Self.environment(cache))
  }

  private static func environment(_ cache: URL) -> [String: String] {
    let home = FileManager.default.homeDirectoryForCurrentUser.path
    let environment = ProcessInfo.processInfo.environment
    let compiled =
      environment["POCL_CACHE_DIR"]
      ?? "\(environment["XDG_CACHE_HOME"] ?? "\(home)/.cache")/pocl/kcache"
    return ["XDG_CACHE_HOME": cache.path, "POCL_CACHE_DIR": compiled]
  }

  /// A tuning of the default device that sends products of up to 700³ to the direct kernel.
  private func tuning(
    device: String? = nil, driver: String? = nil, size: Int = 700
  ) throws -> DeviceTuning {
    let own = DeviceTuning.Key(try .find(.best))
    return DeviceTuning(
      key: DeviceTuning.Key(
        platform: own.platform, vendor: own.vendor, device: device ?? own.device,
        driver: driver ?? own.driver), date: "2026-01-02T03:04:05Z",
      kernels: [
        DeviceTuning.Kernel(
          family: "clblast/GemmRoutine", shapeClass: "all",
          parameters: ["XGEMM_MIN_INDIRECT_SIZE": size], before: 3, after: 2)
      ])
  }

  @Test func imported_isUsedShownAndForgotten() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let file = cache.appendingPathComponent("theirs.json")
      let theirs = try tuning(driver: "another")
      try theirs.json().write(to: file)
      let result = try run(["tune", "--import", file.path, "--json"], cache: cache)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("measured with driver another"))
      let kept = try JSONDecoder().decode(DeviceTuning.self, from: Data(result.output.utf8))
      #expect(kept.kernels == theirs.kernels)
      #expect(try kept.key == DeviceTuning.Key(.find(.best)))

      let shown = try run(["tune", "--show"], cache: cache)
      #expect(shown.output.contains("clblast/GemmRoutine") && shown.output.contains("1.50×"))
      let devices = try run(["devices"], cache: cache)
      #expect(devices.output.contains("2026-01-02, clblast/GemmRoutine 1.50×"))
      let listed = try run(["devices", "--json"], cache: cache).output
      let listing = try JSONSerialization.jsonObject(with: Data(listed.utf8)) as? [String: Any]
      let rows = listing?["devices"] as? [[String: Any]] ?? []
      let tunings = rows.compactMap { $0["tuning"] as? [String: Any] }
      #expect(tunings.map { $0["date"] as? String } == ["2026-01-02T03:04:05Z"])

      // What products are computed with is told by the figure's device.
      let figure = try run(
        [
          "bench", "gemm", "--gemm", "opencl", "--m", "4", "--n", "4", "--k", "4", "--seconds",
          "0.01", "--json",
        ], cache: cache)
      #expect(!figure.output.contains(", tuning ") && figure.status == 0)

      #expect(try run(["tune", "--forget"], cache: cache).errors.contains("forgotten: "))
      #expect(try run(["tune", "--forget"], cache: cache).errors.contains("nothing is kept"))
      let none = try run(["tune", "--show", "--json"], cache: cache)
      #expect(none.output == "null\n" && none.status == 0)
      #expect(try run(["devices"], cache: cache).output.contains("no (gputrain tune)"))
    }
  }

  @Test func reset_forgetsEveryDevice() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let store = TuningStore(directory: cache.appendingPathComponent("gputrain/tunings"))
      try store.keep(try tuning())
      try store.keep(try tuning(device: "another"))
      #expect(try run(["tune", "--reset"], cache: cache).errors == "2 tunings forgotten\n")
      #expect(try run(["tune", "--show"], cache: cache).output.contains("is not tuned"))
    }
  }

  /// Foreign, unfit and damaged files: an error when imported, a line when found in the cache.
  @Test func unusableTunings_areNamed() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let file = cache.appendingPathComponent("theirs.json")
      for (content, expected) in [
        (try tuning(device: "another").json(), "is for another"),
        (try tuning(size: 1 << 22).json(), "cannot run its parameters of clblast/GemmRoutine"),
        (Data("{}".utf8), "format is missing"), (Data("tile = 3".utf8), "it is not JSON"),
      ] {
        try content.write(to: file)
        let result = try run(["tune", "--import", file.path], cache: cache)
        #expect(result.status == 1 && result.errors.contains(expected), "\(result.errors)")
        #expect(try run(["tune", "--show"], cache: cache).output.contains("is not tuned"))
      }
      #expect(try run(["tune", "--import", "/none"], cache: cache).errors.contains("/none"))

      let store = TuningStore(directory: cache.appendingPathComponent("gputrain/tunings"))
      try store.keep(try tuning())
      let kept = try FileManager.default.contentsOfDirectory(
        at: store.directory, includingPropertiesForKeys: nil)
      try Data("damaged".utf8).write(to: try #require(kept.first))
      let result = try run(["devices"], cache: cache)
      #expect(result.status == 0 && result.output.contains("no (gputrain tune)"))
      #expect(result.errors.contains("is not used: it is not JSON"))
    }
  }

  @Test(arguments: [
    (["--seconds", "0"], "--seconds must be positive"),
    (["--shapes", "64x10"], "--shapes: expected"), (["--shapes", ""], "--shapes: expected"),
    (["--show", "--forget"], "give one of --show, --forget"),
    (["--reset", "--json"], "--reset leaves nothing to print"),
  ]) func badCommandLine_isStatus64(arguments: [String], expected: String) throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let result = try run(["tune"] + arguments, cache: cache)
      #expect(result.status == 64 && result.errors.contains(expected), "\(result.errors)")
    }
  }

  /// A tile is imported, named by figures of the products that it is for, and by no others.
  @Test func tile_isImportedAndUsed() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let file = cache.appendingPathComponent("theirs.json")
      let tile = LocalTile(rows: 64, columns: 32, depth: 8, threadRows: 8, threadColumns: 4)
      let theirs = try DeviceTuning(
        key: .init(.find(.best)), date: "2026-01-02T03:04:05Z",
        kernels: [
          DeviceTuning.Kernel(
            family: "tiled/fp32", shapeClass: "small", parameters: tile.parameters, before: 3,
            after: 2)
        ])
      try theirs.json().write(to: file)
      let result = try run(["tune", "--import", file.path], cache: cache)
      #expect(result.status == 0 && result.output.contains("tiled/fp32"), "\(result.errors)")
      let sizes = ["--m", "4", "--n", "4", "--k", "4", "--seconds", "0.01", "--json"]
      for (gemm, isNamed) in [("tiled", true), ("opencl", false)] {
        let figure = try run(["bench", "gemm", "--gemm", gemm] + sizes, cache: cache)
        #expect(figure.status == 0 && figure.output.contains(", tuning ") == isNamed)
      }
    }
  }

  /// A search that ends before its first candidate, as its time is less than any clock counts: the
  /// device is tuned, with nothing found.
  @Test func tiles_areSearched() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let result = try run(
        ["tune", "--gemm", "tiled", "--shapes", "8x8x8", "--seconds", "1e-300"], cache: cache)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("tiled/fp32, small: 0 tried, nothing faster found"))
      #expect(try run(["devices"], cache: cache).output.contains("nothing faster found"))
    }
  }

  /// The kernels for CPUs have nothing to tune, and nothing is written.
  @Test func kernelsForCPUs_haveNothingToTune() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let result = try run(["tune", "--gemm", "opencl"], cache: cache)
      #expect(result.status == 0 && result.errors.contains("which has nothing to tune"))
      #expect(
        !FileManager.default.fileExists(atPath: cache.appendingPathComponent("gputrain").path))
    }
  }

  /// Ctrl-C: what was found before, here by an earlier search, stays.
  @Test func interrupt_keepsWhatIsFound() throws {
    try CommandRunner.withTemporaryDirectory { cache in
      let store = TuningStore(directory: cache.appendingPathComponent("gputrain/tunings"))
      let earlier = try tuning()
      try store.keep(earlier)
      let result = try CommandRunner.run(
        ["tune", "--gemm", "clblast", "--shapes", "8x8x8", "--seconds", "600"],
        signal: (SIGINT, 1), environment: Self.environment(cache))
      #expect(result.status == 130, "\(result.errors)")
      #expect(result.output.contains("clblast/GemmRoutine"))
      guard case .tuning(let kept) = store.entry(for: earlier.key) else {
        Issue.record("nothing is kept")
        return
      }
      #expect(kept.kernels.contains(earlier.kernels[0]))
    }
  }
}
