import ArgumentParser
import Experiments
import Foundation

/// What `train` starts from.
struct StartOptions: ParsableArguments {
  @Option(
    defaultAsFlag: "",
    help: ArgumentHelp(
      "Resume from a checkpoint: a file, the directory of a run or of --out, or where left out the "
        + "newest under runs/. Other options need not be given again; those that would make "
        + "another run are refused.", valueName: "place"), completion: .file())
  var resume: String?

  @Option(
    help: ArgumentHelp(
      "Start from the weights of a safetensors, PyTorch, NPZ or checkpoint file in place of drawn "
        + "ones.", valueName: "file"), completion: Completions.weights)
  var initFrom: String?

  func validate() throws {
    if initFrom != nil && resume != nil {
      throw InvalidOption("give --resume or --init-from, not both")
    }
  }

  /// Where a run that resumes from no checkpoint starts.
  func start() throws -> RunCheckpointing.Start {
    guard let initFrom else { return .drawn }
    let weights = try InitialWeights(path: initFrom)
    if let (from, to) = weights.renamed {
      Terminal.note(
        "\(initFrom): names are read without what wrappers put before them: "
          + "\(from.printable()) as \(to.printable())")
    }
    return .weights(weights)
  }

  /// The checkpoint that `--resume` names.
  func checkpointFile() throws -> URL {
    guard let resume, !resume.isEmpty else {
      return try CheckpointSearch.newestUnfinished(under: RunDirectory.all)
    }
    return try CheckpointSearch.newest(at: URL(fileURLWithPath: resume))
  }

  /// Writes the weights of a run that was done before, from its last checkpoint.
  static func saveEarlier(
    _ configuration: RunConfiguration, in directory: URL, to weights: URL
  ) throws {
    guard let file = try? CheckpointSearch.newest(at: directory),
      let checkpoint = try? Checkpoint(path: file.path), checkpoint.isFinal
    else {
      throw InvalidOption(
        "--save: the run is done already and its weights were not kept; another --out trains it "
          + "again")
    }
    try SavedWeights.write(
      checkpoint.state.parameters, configuration: configuration, to: weights)
  }
}
