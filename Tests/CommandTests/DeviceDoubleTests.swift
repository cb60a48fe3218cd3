import Foundation
import Testing

/// What devices do that a machine for tests does not have, by a double between program and driver.
#if os(Linux)
  @Suite(.serialized, .runsPrograms) struct DeviceDoubleTests {
    private let sweep = [
      "sweep", "--depth", "2", "--log2-lr", "-8:-6:3", "--seeds", "4", "--steps", "40",
      "--parametrization", "sp", "--quiet", "--out", "runs",
    ]

    /// train_loss by run, of the sweep's table.
    private func losses(in folder: URL) throws -> [String: String] {
      let table = try String(
        contentsOf: folder.appendingPathComponent("runs/summary.csv"), encoding: .utf8)
      let rows = table.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
      let loss = rows[0].firstIndex(of: "train_loss")!
      return Dictionary(uniqueKeysWithValues: rows.dropFirst().map { ($0.last!, $0[loss]) })
    }

    private func run(
      _ arguments: [String], in folder: URL, _ behaviour: [String: String]
    ) throws -> CommandResult {
      try CommandRunner.run(
        arguments, in: folder, environment: DeviceDouble.environment(behaviour))
    }

    /// What a run needs of a device, in short.
    private let train = ["train", "--data", CommandRunner.data, "--width", "32", "--steps", "2"]

    // MARK: A GPU

    /// Its compiler knows no prefetch, and has no use for what is made for CPUs.
    @Test func gpu_isGivenItsOwnKernelsOnly() throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let log = folder.appendingPathComponent("log")
        let result = try run(
          train + ["--steps", "4", "--diagnose", "2", "--bias"], in: folder,
          ["KIND": "gpu", "LOG": log.path])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("(gpu), matrix products by tiled"))
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
        let builds = lines.filter { $0.hasPrefix("build") }
        let kernels = Set(lines.filter { $0.hasPrefix("kernel") }.map { $0.dropFirst(7) })
        #expect(builds.count > 5 && builds.allSatisfy { $0.contains("-D GROUP_ITEMS=128") })
        #expect(builds.allSatisfy { !$0.contains("PREFETCH") && !$0.contains("-cl-nv-") })
        #expect(
          kernels.isSuperset(of: [
            "shuffle_rows", "multiply_update", "spectral_pass_group", "ritz_solve_group",
          ]))
        #expect(
          kernels.isDisjoint(with: [
            "spectral_pass_1", "spectral_pass_2", "spectral_pass_3", "ritz_solve",
            "gradient_norms", "sum_squares",
          ]))
      }
    }

    /// Kernels for GPUs train as those for CPUs do, but for rounding.
    @Test func gpu_trainsAsTheCPUDoes() throws {
      func loss(_ behaviour: [String: String]) throws -> Double {
        try CommandRunner.withTemporaryDirectory { folder in
          let result = try run(
            train + ["--width", "48", "--steps", "30", "--optimizer", "adamw", "--json"],
            in: folder, behaviour)
          let json = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
          let values = (json as? [String: Any])?["result"] as? [String: Any]
          return try #require(values?["trainLoss"] as? Double)
        }
      }
      let (gpu, cpu) = (try loss(["KIND": "gpu"]), try loss([:]))
      #expect(abs(gpu - cpu) <= 1e-4 * cpu)
    }

    /// Of programs from binaries, drivers may not say what arguments kernels take.
    @Test(arguments: ["none", "empty"]) func argumentsThatADriverDoesNotReport_areNotChecked(
      mode: String
    ) throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(
          train, in: folder, ["ARGUMENTS": mode])
        #expect(result.status == 0, "\(result.errors)")
      }
    }

    // MARK: Products that are wrong

    @Test(
      arguments: [
        ("auto", "multiply", "opencl", "openblas"), ("clblast", "Xgemm", "clblast", "opencl"),
      ])
    func wrongProducts_giveWayWithANote(
      asked: String, dropped: String, rejected: String, taken: String
    ) throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(
          train + ["--gemm", asked], in: folder,
          ["DROP": dropped])
        #expect(result.status == 0)
        #expect(result.errors.contains("--gemm \(rejected) is not used on "))
        #expect(result.errors.contains("\(taken) takes its place: product nn "))
        #expect(result.errors.contains("matrix products by \(taken)"))
      }
    }

    /// On a GPU, whichever kernel it is: of every tile, or of updates alone, which are tried when one is
    /// first used.
    @Test(
      arguments: [
        ("auto", "multiply", "tiled", "clblast"), ("auto", "multiply_update", "tiled", "clblast"),
        ("auto", "multiply,Xgemm", "clblast", "opencl"),
      ])
    func wrongProductsOfAGPU_giveWay(
      asked: String, dropped: String, rejected: String, taken: String
    ) throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(
          train + ["--gemm", asked], in: folder,
          ["KIND": "gpu", "DROP": dropped])
        // Our kernels for CPUs are called `multiply` too.
        #expect(result.status == (taken == "opencl" ? 1 : 0), "\(result.errors)")
        #expect(result.errors.contains("--gemm \(rejected) is not used on ") || taken == "opencl")
        #expect(result.errors.contains("\(taken) takes its place: product "))
      }
    }

    /// Short memory, or resources, at the first product are no fault of the backend's: it is tried again.
    @Test(arguments: ["-4", "-5"]) func shortMemoryInATrial_rejectsNoBackend(code: String) throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(
          train + ["--verbose"], in: folder,
          ["KIND": "gpu", "FAIL": "1:\(code)"])
        #expect(!result.errors.contains("takes its place"))
        #expect(result.status == 0, "\(result.errors)")
      }
    }

    /// What measures a backend measures no other in its place.
    @Test func wrongProducts_failTheSelfTest() throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(
          ["selftest", "--gemm", "opencl", "--json"], in: folder, ["DROP": "multiply"])
        #expect(result.status == 1)
        #expect(result.output.contains("\"gemm\" : \"opencl\""))
        #expect(result.output.contains("is wrong on this device"))
      }
    }

    // MARK: Launches

    /// Kernels that are left out cost the device nothing, which is how a step's host time is measured.
    @Test func launchesThatAreDropped_areCounted() throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let log = folder.appendingPathComponent("log")
        let result = try run(
          [
            "bench", "step", "--inputs", "8", "--width", "8", "--depth", "2", "--seconds", "0.01",
            "--json",
          ], in: folder, ["DROP": "*", "DROP_AFTER": "100", "LOG": log.path])
        #expect(result.status == 0, "\(result.errors)")
        let figure = try #require(
          try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let blocks = try #require(figure["blocks"] as? Int)
        let repetitions = try #require(figure["repetitions"] as? Int)
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
        let launches = try #require(Int(lines.last!.dropFirst("launches ".count)))
        // Ten a step, of 16 steps a repetition, with an order each; two repetitions warm up.
        let steps = 161 * (2 + blocks * repetitions)
        #expect(launches > steps && launches < steps + 200)
      }
    }

    /// The first steps are worked out; from the fourth on their launches are made again.
    @Test(arguments: [(40, 340), (41, 341), (44, 344)]) func launchThatFails_isNamed(
      workedOut: Int, recorded: Int
    ) throws {
      try CommandRunner.withTemporaryDirectory { folder in
        func message(_ launch: Int) throws -> String {
          let result = try run(
            ["train", "--width", "32", "--depth", "2", "--steps", "40"], in: folder,
            ["FAIL": "\(launch):-61"])
          #expect(result.status == 1)
          return result.errors.split(separator: "\n").last.map(String.init) ?? ""
        }
        let expected = try message(workedOut)
        #expect(expected.contains("clEnqueueNDRangeKernel failed with CL_INVALID_BUFFER_SIZE"))
        #expect(expected.contains(", global [") && expected.contains(", local ["))
        // Ten launches are a step, and no epoch ends before the last.
        #expect(try message(recorded) == expected)
      }
    }

    // MARK: Memory

    @Test func shortMemory_halvesGroups_andChangesNothing() throws {
      try CommandRunner.withTemporaryDirectory { whole in
        try CommandRunner.withTemporaryDirectory { short in
          let arguments = sweep + ["--widths", "64"]
          #expect(try run(arguments, in: whole, [:]).errors.isEmpty)
          // Twelve runs of half a MiB each, beside 2 MiB of the products' scratch.
          let result = try run(
            arguments.filter { $0 != "--quiet" }, in: short, ["MEMORY": "4000000"])
          #expect(result.status == 0)
          #expect(result.errors.contains("the device's memory is short"))
          #expect(try losses(in: short) == losses(in: whole))
        }
      }
    }

    @Test func memoryForNoRun_failsRunsWithTheReason() throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let result = try run(sweep + ["--widths", "400"], in: folder, ["MEMORY": "6000000"])
        #expect(result.status == 1)
        #expect(
          result.errors.contains("12 runs failed: clCreateBuffer failed with CL_MEM_OBJECT_"))
      }
    }

    /// Neither knows of the other, and together they have less than both have planned with.
    @Test func twoProcesses_shareADevice() async throws {
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("gputrain-test-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let behaviour = [
        "MEMORY": "12000000", "MEMORY_FILE": folder.appendingPathComponent("memory").path,
      ]
      let arguments = sweep + ["--widths", "64"]
      let whole = folder.appendingPathComponent("whole")
      try FileManager.default.createDirectory(at: whole, withIntermediateDirectories: true)
      #expect(try run(arguments, in: whole, [:]).status == 0)
      let expected = try losses(in: whole)
      try await withThrowingTaskGroup(of: [String: String].self) { tasks in
        for number in 0..<2 {
          let place = folder.appendingPathComponent("\(number)")
          try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
          tasks.addTask {
            let result = try run(arguments, in: place, behaviour)
            #expect(result.status == 0, "\(result.errors)")
            return try losses(in: place)
          }
        }
        for try await losses in tasks { #expect(losses == expected) }
      }
    }

    /// Another program holds all of it when the sweep begins, and ends soon after.
    @Test func memoryHeldByAnother_isWaitedFor() async throws {
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("gputrain-test-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let used = folder.appendingPathComponent("memory")
      try withUnsafeBytes(of: 40_000_000) { Data($0) }.write(to: used)
      let log = folder.appendingPathComponent("log")
      try Data().write(to: log)
      let arguments = sweep.filter { $0 != "--quiet" } + ["--widths", "64"]
      let waiting = Task(executorPreference: ProgramThreads.shared) {
        try run(
          arguments, in: folder,
          ["MEMORY": "40000000", "MEMORY_FILE": used.path, "LOG": log.path])
      }
      let latest = ContinuousClock.now + .seconds(120)
      while try !String(contentsOf: log, encoding: .utf8).contains("refused"), .now < latest {
        try await Task.sleep(for: .milliseconds(20))
      }
      let file = try FileHandle(forWritingTo: used)
      try file.write(contentsOf: withUnsafeBytes(of: 0) { Data($0) })
      let result = try await waiting.value
      #expect(result.status == 0)
      #expect(result.errors.contains("waiting for other programs to give some back"))
      #expect(try losses(in: folder).count == 12)
    }

    // MARK: A device that is lost

    /// In the second width's group: the first width's runs stay, and the same command does the rest.
    @Test func lostDevice_endsWithAClearLine_andKeepsWhatIsDone() throws {
      try CommandRunner.withTemporaryDirectory { folder in
        let arguments = sweep + ["--widths", "32,48"]
        let lost = try run(arguments, in: folder, ["LOST": "700:-5"])
        #expect(lost.status == 1)
        #expect(
          lost.errors.contains(
            "the device does not answer any more: clEnqueueNDRangeKernel failed with "
              + "CL_OUT_OF_RESOURCES (-5)"))
        #expect(lost.errors.contains("12 of 24 runs are kept in runs. The same command again"))
        #expect(try losses(in: folder).count == 12)
        let rest = try run(arguments, in: folder, [:])
        #expect(rest.status == 0 && rest.errors.isEmpty)
        #expect(try losses(in: folder).count == 24)
      }
    }
  }
#endif
