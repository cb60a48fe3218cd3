import Experiments
import Foundation
import OpenCL
import Tensors
import Training

/// What a run of one width was planned to take, and what it took at its peak.
struct MemoryFigure: Codable {
  let width: Int
  let optimizer: OptimizerKind
  let diagnosed: Bool
  /// Bytes planned for the run and its data; of buffers on the device at their most; and by
  /// which the process grew at its peak, the host's copy of the data among them.
  let planned, device, process: Double

  /// Runs of a few steps, 3072 inputs and two hidden layers, widths 256 to `widest`, each in a
  /// process of its own, as memory that is given back may stay with a process.
  static func all(upTo widest: Int) throws -> [MemoryFigure] {
    try [OptimizerKind.sgd, .adam].flatMap { optimizer in
      try [false, true].flatMap { diagnosed in
        try powersOfTwo(from: 256, to: widest).map { width in
          let process = Process()
          process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
          process.arguments = ["--memory-of", "\(width)", optimizer.rawValue, "\(diagnosed)"]
          let output = Pipe()
          process.standardOutput = output
          try process.run()
          let data = output.fileHandleForReading.readDataToEndOfFile()
          process.waitUntilExit()
          return try JSONDecoder().decode(MemoryFigure.self, from: data)
        }
      }
    }
  }

  /// Measures this process; a narrow run before has kernels compiled and the device at work.
  init(width: Int, optimizer: OptimizerKind, diagnosed: Bool) throws {
    (self.width, self.optimizer, self.diagnosed) = (width, optimizer, diagnosed)
    let compute = try Compute(device: .find(.best))
    func sweep(_ width: Int, rows: Int) throws -> Double {
      let data = try Self.data(rows: rows)
      let directory = FileManager.default.temporaryDirectory
        .appendingPathComponent("gputrain-memory-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: directory) }
      let experiment = Experiment(
        Configuration {
          ($0.depth, $0.steps) = (2, 8)
          ($0.absolute, $0.zeroReadout) = (true, false)
        }, Facts(data: data, compute: compute))
      let grid = try SweepGrid(
        parametrizations: ["spectral"], optimizers: [optimizer], widths: [width],
        log2LearningRates: [-10], seeds: [1])
      _ = try Sweep(
        experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
        memory: MemoryPlan(device: compute.queue.device),
        diagnosis: diagnosed ? DiagnosisPlan(every: 2, contents: .all) : nil
      ).run()
      let bytes = try MemoryPlan(device: compute.queue.device).bytesPerReplica(
        of: RunGroup(experiment: experiment, cells: grid.cells), measured: diagnosed ? .all : nil
      ).all
      return bytes + Double(data.deviceBytes)
    }
    _ = try sweep(64, rows: 100)
    try compute.releaseUnusedMemory()
    let before = try ProcessMemory.resetPeak()
    planned = try sweep(width, rows: 200)
    device = Double(compute.queue.context.bufferBytes.most)
    process = try ProcessMemory.peak() - before
  }

  private static func data(rows: Int) throws -> TrainingData {
    var random = Philox(seed: 1, stream: 0)
    return try TrainingData(
      LoadedData(
        train: DataSet(
          name: "noise", features: .floats((0..<rows * 3072).map { _ in random.uniform(-1, 1) }),
          labels: (0..<UInt32(rows)).map { $0 % 10 }, inputs: 3072, classes: 10)))
  }

  static func table(_ figures: [MemoryFigure]) -> String {
    let mebi = Double(1 << 20)
    let rows = figures.map { figure in
      figure.optimizer.rawValue.padding(toLength: 6, withPad: " ", startingAt: 0)
        + (figure.diagnosed ? "all     " : "nothing ")
        + String(
          format: "%7d%13.1f%12.1f%13.1f%9.3f%9.3f", figure.width, figure.planned / mebi,
          figure.device / mebi, figure.process / mebi, figure.device / figure.planned,
          figure.process / figure.planned)
    }
    return
      (["rule  measured  width  planned MiB  device MiB  process MiB   device  process"] + rows)
      .joined(
        separator: "\n")
  }
}

/// The process's own memory, as Linux counts it.
enum ProcessMemory {
  /// Gives what is free back to the system and resets the peak; returns the bytes resident now.
  static func resetPeak() throws -> Double {
    _ = malloc_trim(0)
    try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
    return try field("VmRSS")
  }

  /// Most bytes resident since `resetPeak`.
  static func peak() throws -> Double { try field("VmHWM") }

  private static func field(_ name: String) throws -> Double {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
    return 1024 * (Double(line.filter(\.isNumber)) ?? .nan)
  }
}

/// glibc's, which its Swift module leaves out.
@_silgen_name("malloc_trim") private func malloc_trim(_ padding: Int) -> Int32
