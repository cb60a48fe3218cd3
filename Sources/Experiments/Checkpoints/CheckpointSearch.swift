import Foundation

/// Finds checkpoints by the place that a user names.
public enum CheckpointSearch {
  /// The folder of a run's checkpoints, in the run's directory.
  static let folder = "checkpoints"

  /// The checkpoints of a folder, by step; empty where there is none.
  static func files(in folder: URL) -> [URL] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.compactMap { name in
      Checkpoint.step(ofFile: name).map { (step: $0, name: name) }
    }.sorted { $0.step < $1.step }.map { folder.appendingPathComponent($0.name) }
  }

  /// The checkpoint at `place`: the file itself, or the newest of a run's directory, of its
  /// checkpoints' or of the store that it lies in.
  ///
  /// In a store, runs that have a result are passed over where others have none.
  /// - Throws: `CheckpointError.none`, `.ambiguous` where several runs have checkpoints.
  public static func newest(at place: URL) throws -> URL {
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: place.path, isDirectory: &isDirectory)
    guard exists else { throw CheckpointError.none(place: place.relativePath) }
    if !isDirectory.boolValue { return place }
    for folder in [place, place.appendingPathComponent(folder)] {
      if let newest = files(in: folder).last { return newest }
    }
    let runs = place.appendingPathComponent("runs")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: runs.path)) ?? []
    let begun = names.sorted().compactMap { name -> (isDone: Bool, newest: URL)? in
      let run = runs.appendingPathComponent(name)
      let result = run.appendingPathComponent("result.json").path
      return files(in: run.appendingPathComponent(folder)).last.map {
        (FileManager.default.fileExists(atPath: result), $0)
      }
    }
    let open = begun.filter { !$0.isDone }
    let found = open.isEmpty ? begun : open
    switch found.count {
    case 0: throw CheckpointError.none(place: place.relativePath)
    case 1: return found[0].newest
    default:
      throw CheckpointError.ambiguous(
        place: place.relativePath, files: found.map(\.newest.relativePath))
    }
  }

  /// The newest checkpoint of a run without a result in a store under `directory`, by the time of
  /// its writing.
  ///
  /// - Throws: `CheckpointError.none`.
  public static func newestUnfinished(under directory: URL) throws -> URL {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    let found = names.flatMap { name -> [(date: Date, file: URL)] in
      let runs = directory.appendingPathComponent(name).appendingPathComponent("runs")
      let names = (try? FileManager.default.contentsOfDirectory(atPath: runs.path)) ?? []
      return names.compactMap { name in
        let run = runs.appendingPathComponent(name)
        let result = run.appendingPathComponent("result.json").path
        guard !FileManager.default.fileExists(atPath: result),
          let file = files(in: run.appendingPathComponent(folder)).last,
          let date = try? file.resourceValues(forKeys: [.contentModificationDateKey])
            .contentModificationDate
        else { return nil }
        return (date, file)
      }
    }
    guard let newest = found.max(by: { $0.date < $1.date }) else {
      throw CheckpointError.none(place: directory.relativePath)
    }
    return newest.file
  }

  /// The store that a checkpoint lies in: of `STORE/runs/NAME/checkpoints/step-….safetensors`; nil
  /// where it lies elsewhere.
  public static func store(of checkpoint: URL) -> URL? {
    let folder = checkpoint.deletingLastPathComponent()
    let runs = folder.deletingLastPathComponent().deletingLastPathComponent()
    guard folder.lastPathComponent == Self.folder, runs.lastPathComponent == "runs" else {
      return nil
    }
    return runs.deletingLastPathComponent()
  }
}
