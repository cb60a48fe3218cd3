import ArgumentParser
import Foundation

@testable import Experiments
@testable import GPUTrainCommand
@testable import OpenCL
@testable import Tensors

/// Something that reads bytes from outside.
struct Reader: Sendable {
  /// Reads one input.
  typealias Body = @Sendable (Data) throws -> Void

  /// What run.sh calls it.
  let name: String
  /// Whether its files are text, of which whole values are changed too.
  let isText: Bool
  /// Small valid files, of what the program has made in a folder.
  let seeds: @Sendable (URL) throws -> [Data]
  /// Makes ready what the reader needs in an empty folder; what it gives reads one input.
  let prepare: @Sendable (Scratch, URL) throws -> Body

  init(
    _ name: String, isText: Bool = false, seeds: @escaping @Sendable (URL) throws -> [Data],
    _ prepare: @escaping @Sendable (Scratch, URL) throws -> Body
  ) {
    (self.name, self.isText, self.seeds, self.prepare) = (name, isText, seeds, prepare)
  }

  /// One whose file is read by its path.
  static func file(
    _ name: String, _ fileName: String, isText: Bool = false,
    beside: [(name: String, content: [UInt8])] = [],
    seeds: @escaping @autoclosure @Sendable () -> [[UInt8]],
    _ read: @escaping @Sendable (String) throws -> Void
  ) -> Reader {
    Reader(name, isText: isText, seeds: { _ in seeds().map { Data($0) } }) { folder, _ in
      for file in beside { _ = try folder.write(file.name, Data(file.content)) }
      return { try read(folder.write(fileName, $0)) }
    }
  }

  /// Every reader.
  static let all = weights + rows + tokens + stores + texts + others

  // MARK: Weights

  private static let weights = [
    file("safetensors", "w.safetensors", seeds: Seeds.safetensors, readWeights),
    file("torch", "w.pt", seeds: Seeds.torch, readWeights),
    // Inside of an archive, whose checksums no change of bytes would keep right.
    Reader("pickle", seeds: { _ in Seeds.pickles.map { Data($0) } }) { folder, _ in
      let storages = ["0": raw((0..<12).map { Float($0) }), "1": [UInt8](repeating: 1, count: 24)]
      return {
        try readWeights(
          folder.write("w.pt", Data(torchFile(pickle: [UInt8]($0), storages: storages))))
      }
    },
    file("npy-weights", "w.npy", seeds: Seeds.npy, readWeights),
    file("npz-weights", "w.npz", seeds: Seeds.npz, readWeights),
    file(
      "shards", "model.safetensors.index.json", isText: true,
      beside: [("a.safetensors", Seeds.safetensors[0]), ("b.bin", Seeds.torch[0])],
      seeds: Seeds.shards, readWeights),
    Reader("checkpoint", seeds: Made.checkpoints) {
      folder, _ in
      {
        let path = try folder.write("step-00000004.safetensors", $0)
        try? readWeights(path)
        _ = try? InitialWeights(path: path)
        let checkpoint = try Checkpoint(path: path)
        _ = checkpoint.isFinal
        // As a run resumes, up to the device.
        var given = GivenSettings()
        given.add(checkpoint.options)
        _ = try TrainingRequest(&given, defaults: SweepCommand.Configured.defaults)
      }
    },
  ]

  /// Every value of every tensor, as norms, a comparison and a network want them.
  @Sendable private static func readWeights(_ path: String) throws {
    let file = try WeightFile(path: path)
    _ = (file.leftAside, file.unreadable)
    for tensor in file.tensors {
      guard let matrix = StoredMatrix(tensor) else { continue }
      _ = try matrix.values(0..<matrix.rows, as: Float.self)
      _ = try matrix.values((matrix.rows - 1)..<matrix.rows, as: Double.self)
    }
    _ = try WeightAudit([file])
    _ = try WeightAudit(file, against: file)
    _ = try InitialWeights(path: path)
  }

  // MARK: Rows

  private static let rows = [
    file("csv", "d.csv", isText: true, seeds: Seeds.csv) { path in
      for task in [LearningTask.classification, .regression] {
        try? readRows(path, DataReading(task: task))
        try? readRows(path, DataReading(task: task, label: ["2"]))
      }
    },
    file(
      "idx", "train-images-idx3-ubyte",
      beside: [("train-labels-idx1-ubyte", idx(sizes: [4], values: [0, 1, 1, 0]))],
      seeds: Seeds.idxImages
    ) { try readRows($0) },
    file(
      "idx-labels", "train-labels-idx1-ubyte",
      beside: [("train-images-idx3-ubyte", Seeds.idxImages[0])], seeds: Seeds.idxLabels
    ) { try readRows($0.replacing("labels-idx1", with: "images-idx3")) },
    file("cifar", "data_batch_1.bin", seeds: Seeds.cifar) { try readRows($0) },
    file("cifar-any", "some.bin", seeds: Seeds.cifar) { try readRows($0) },
    file(
      "npy", "x.npy", beside: [("y.npy", npy("<i8", [3], raw([0, 1, 1])))], seeds: Seeds.npy
    ) { try readRows($0) },
    file(
      "npy-labels", "y.npy", beside: [("x.npy", Seeds.npy[0])], seeds: Seeds.npyLabels
    ) { path in
      let features = path.replacing("/y.npy", with: "/x.npy")
      try? readRows(features)
      try? readRows(features, DataReading(task: .regression))
    },
    file("npz", "d.npz", seeds: Seeds.npzRows) { path in
      try? readRows(path)
      try? readRows(path, DataReading(task: .regression))
    },
  ]

  private static func readRows(_ path: String, _ reading: DataReading = DataReading()) throws {
    let data = try DataSet.load(path: path, reading)
    _ = try? TrainingData(data)
    _ = try? TrainingData(data, normalization: .perFeature)
  }

  // MARK: Tokens

  private static let tokens = [
    file("text", "t.txt", seeds: Seeds.text) { path in
      for tokenization in [Tokenization.characters, .bytes] {
        let tokens = try? LoadedTokens.load(path: path, tokenization)
        _ = try tokens.map { try TrainingData($0, context: 4) }
      }
    },
    file("gzip", "t.txt.gz", seeds: Seeds.gzip) { path in
      _ = try TrainingData(LoadedTokens.load(path: path), context: 4)
    },
    file("token-numbers", "t.bin", seeds: Seeds.tokens) { path in
      _ = try TrainingData(LoadedTokens.load(path: path), context: 4)
    },
    file("token-array", "t.npy", seeds: Seeds.tokenArrays) { path in
      _ = try TrainingData(LoadedTokens.load(path: path), context: 4)
    },
  ]

  // MARK: Stores

  private static let stores = [
    damaged("sweep-json", Made.sweep, { $0.appendingPathComponent("sweep.json") }),
    damaged("history", Made.sweep, { $0.appendingPathComponent("history.json") }),
    damaged("result", Made.sweep, { Made.run(in: $0).appendingPathComponent("result.json") }),
    damaged("metrics", Made.sweep, { Made.run(in: $0).appendingPathComponent("metrics.jsonl") }),
    damaged("config", Made.sweep, { Made.run(in: $0).appendingPathComponent("config.json") }),
    damaged("check", Made.check, { $0.appendingPathComponent("check.json") }),
    damaged("figures", Made.figures, { $0.appendingPathComponent("figures.json") }),
    Reader("claim", isText: true, seeds: { _ in [try Seeds.claim()] }) { folder, made in
      let store = RunStore(existing: folder.url.appendingPathComponent("sweep"))
      try FileManager.default.copyItem(at: Made.sweep(made), to: store.directory)
      try FileManager.default.removeItem(
        at: Made.run(in: store.directory).appendingPathComponent("result.json"))
      try FileManager.default.createDirectory(
        at: store.claimsDirectory, withIntermediateDirectories: true)
      let run = Made.run(in: store.directory).lastPathComponent
      return { content in
        for name in [run, "a" + ClaimFolder.suffix, ClaimFolder.asidePrefix + "b"] {
          try content.write(to: store.claimsDirectory.appendingPathComponent(name))
        }
        _ = try StoreStatus(store)
      }
    },
  ]

  /// A store, a check or figures of which one file is damaged: its page, how far it is, what is left to do.
  private static func damaged(
    _ name: String, _ whole: @escaping @Sendable (URL) -> URL,
    _ place: @escaping @Sendable (URL) -> URL
  ) -> Reader {
    Reader(name, isText: true, seeds: { [try Data(contentsOf: place(whole($0)))] }) {
      folder, made in
      let copy = folder.url.appendingPathComponent("copy")
      try FileManager.default.copyItem(at: whole(made), to: copy)
      let file = place(copy)
      let page = folder.url.appendingPathComponent("page.html")
      return { content in
        try content.write(to: file)
        _ = try? ReportWriter().write([copy], to: page)
        let store = RunStore(existing: copy)
        _ = try? StoreStatus(store)
        guard let experiment = try store.experiment() else { return }
        _ = try? store.runs(of: experiment)
        for grid in try store.history().compactMap(\.grid) {
          _ = try store.missingCells(of: grid, in: experiment)
        }
      }
    }
  }

  // MARK: Settings and tables

  private static let texts = [
    file("settings", "s.yaml", isText: true, seeds: Seeds.settings) { path in
      let command = try Gputrain.parseAsRoot(["sweep", path])
      guard let sweep = command as? SweepCommand else { return }
      let request = try SweepCommand.Request(sweep)
      _ = (request.text.resolved, request.text.commented)
    },
    file("parametrizations", "p.yaml", isText: true, seeds: Seeds.parametrizations) { path in
      _ = try ParametrizationFile.read([path])
    },
    Reader("results-table", isText: true, seeds: { _ in Seeds.resultsTables }) { folder, _ in
      let page = folder.url.appendingPathComponent("page.html")
      return { content in
        let table = try ResultsTable(path: folder.write("r.csv", content))
        _ = table.report.table()
        try ReportWriter().write(table, command: ["gputrain"], version: "", to: page)
      }
    },
    file("strict-json", "j.json", isText: true, seeds: Seeds.shards) { path in
      _ = try StrictJSON.parse(
        DataFile.read(path, expected: "JSON"), path: path, subject: "JSON")
    },
  ]

  // MARK: What the program keeps for itself

  private static let others = [
    file("tuning", "t.json", isText: true, seeds: Seeds.tuning) { path in
      let tuning = try TuningStore.tuning(inFile: path)
      _ = (tuning.day, tuning.fingerprint, tuning.kernels.map(\.gain))
      _ = try tuning.json()
    },
    Reader("program-cache", seeds: { _ in try Seeds.programs() }) { folder, _ in
      let cache = ProgramCache(directory: folder.url)
      cache.keep(Data([1]), for: Seeds.programKey)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
      return { content in
        _ = try folder.write(names[0], content)
        _ = cache.binary(for: Seeds.programKey)
      }
    },
    // As it is, and as the body of a record, whose checksums no change of bytes would keep right.
    Reader("events", seeds: { _ in try Seeds.events() }) { _, _ in
      { content in
        _ = EventFile.contents(of: content)
        let body = [UInt8](content)
        let length = raw([UInt64(body.count)])
        let record =
          length + raw([CRC32C.masked(length)]) + body + raw([CRC32C.masked(body)])
        _ = EventFile.contents(of: Data(record))
        _ = EventFile.contents(of: Data(try Seeds.events()[0] + record))
      }
    },
    Reader("control-groups", isText: true, seeds: { _ in Seeds.controlGroups }) { folder, _ in
      let root = folder.url
      for place in ["proc/self", "sys/fs/cgroup/a", "sys/fs/cgroup/cpu", "sys/fs/cgroup/memory"] {
        try FileManager.default.createDirectory(
          at: root.appendingPathComponent(place), withIntermediateDirectories: true)
      }
      return { content in
        for file in [
          "proc/self/cgroup", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max",
          "sys/fs/cgroup/memory.current", "sys/fs/cgroup/a/cpu.max",
          "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us",
        ] {
          _ = try folder.write(file, content)
        }
        let groups = ControlGroups(root: root.path)
        _ = (groups.processors, groups.memoryLeft)
      }
    },
  ]
}

/// What run.sh has had the program make.
enum Made {
  @Sendable static func sweep(_ made: URL) -> URL { made.appendingPathComponent("sweep") }
  @Sendable static func check(_ made: URL) -> URL { made.appendingPathComponent("check") }
  @Sendable static func figures(_ made: URL) -> URL { made.appendingPathComponent("figures") }

  /// The first run of a store.
  static func run(in store: URL) -> URL {
    let runs = store.appendingPathComponent("runs")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: runs.path)) ?? []
    return runs.appendingPathComponent(names.min() ?? "")
  }

  /// A checkpoint, and the weights of a run that is done.
  @Sendable static func checkpoints(_ made: URL) throws -> [Data] {
    let folder = made.appendingPathComponent("train")
    let file = try CheckpointSearch.newest(at: folder)
    return try [file, made.appendingPathComponent("w.safetensors")].map { try Data(contentsOf: $0) }
  }
}
