import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Training

/// This process as one of those that train a run together, for `train --data-parallel`.
///
/// The first one keeps results and speaks; the others do the same work beside a folder that they remove.
struct TrainingRank {
  private let ranks: MPIRanks
  /// What trains by them.
  let parallel: DataParallel
  private static let folderName = "gputrain-rank-"
  /// Where a rank that is not the first has its store.
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    folderName + "\(ProcessInfo.processInfo.processIdentifier)")

  /// Meets the others.
  ///
  /// - Throws: `MPIError` where there is no MPI.
  init(_ execution: ExecutionSettings) throws {
    ranks = try MPIRanks()
    parallel = DataParallel(ranks, route: execution.gradientExchange) { Interrupt.isRequested }
    if !isFirst {
      Terminal.verbosity = .quiet
      Self.removeLeftovers()
    }
    Terminal.note(
      ranks.count == 1
        ? "one rank alone computes whole batches; mpirun -n 4 starts four"
        : "\(ranks.count) ranks compute a part of each batch each")
  }

  /// Removes the folders of ranks that were killed.
  private static func removeLeftovers() {
    let place = FileManager.default.temporaryDirectory
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    for name in names where name.hasPrefix(folderName) {
      guard let process = Int32(name.dropFirst(folderName.count)), kill(process, 0) != 0,
        errno == ESRCH
      else { continue }
      try? FileManager.default.removeItem(at: place.appendingPathComponent(name))
    }
  }

  /// Whether this one keeps the results.
  var isFirst: Bool { ranks.rank == 0 }

  /// The request of this rank: of one that is not the first into a folder of its own, with nothing kept; and
  /// where no device is asked for, on the GPU of its number on its machine.
  ///
  /// - Throws: `InvalidOption` where a batch has fewer rows than there are ranks.
  func own(_ request: TrainingRequest) throws -> TrainingRequest {
    let batch = request.configuration.batchSize
    guard batch >= ranks.count else {
      throw InvalidOption("--batch-size: \(batch) rows are fewer than the \(ranks.count) ranks")
    }
    var own = request
    let environment = ProcessInfo.processInfo.environment
    let gpus = ((try? Device.all()) ?? []).count { $0.kind == .gpu }
    if request.computing.device == nil, gpus > 0,
      let place = MPIRanks.localRank(in: environment)
    {
      own.deviceOfRank = "gpu:\(place % gpus)"
    }
    own.dataParallel = parallel
    own.deviceCount = MPIRanks.localCount(in: environment) ?? ranks.count
    guard !isFirst else { return own }
    own.execution.out = folder.path
    (own.execution.save, own.execution.tensorboard) = (nil, false)
    own.execution.checkpointEvery = nil
    return own
  }

  /// Notes what all ranks have to have in common, and waits where this is not the first one.
  ///
  /// - start: what the run starts from.
  /// - Returns: whether this rank has something to do.
  /// - Throws: `RanksError` where they are unlike.
  func begins(
    _ configuration: RunConfiguration, of sweep: Sweep, from start: RunCheckpointing.Start
  ) throws -> Bool {
    let settings = configuration.experiment.settings.record
    parallel.facts =
      [
        ("program", Build.version), ("device", sweep.compute.deviceDescription),
        ("gradient-exchange", parallel.route.rawValue), ("width", "\(configuration.cell.width)"),
        ("start", start.mark),
      ]
      + Configuration.names.sorted().map { ($0, settings[$0]?.optionText ?? "its default") }
      + [("run", configuration.identifier)]
    return try isFirst || parallel.waitForFirst()
  }

  /// Does this rank's part to the end, which all reach; where one cannot go on, it ends all.
  func run(_ body: () throws -> Void) throws {
    defer { removeFolder() }
    do {
      try body()
      try parallel.release()
    } catch let error as RanksError {
      // All of them know.
      if isFirst { Terminal.problem("\(error)") }
      ranks.end()
      throw ExitCode.failure
    } catch let code as ExitCode where code == Interrupt.exitCode && parallel.isStopAgreed {
      try parallel.release()
      notePlan()
      ranks.end()
      throw code
    } catch {
      let code = (error as? ExitCode)?.rawValue ?? (error is any UsageError ? 64 : 1)
      Terminal.problem(
        "rank \(ranks.rank): " + (error is ExitCode ? "it cannot train on" : "\(error)"))
      removeFolder()
      ranks.abort(status: code)
    }
    notePlan()
    ranks.end()
  }

  private func removeFolder() {
    if !isFirst { try? FileManager.default.removeItem(at: folder) }
  }

  private func notePlan() {
    guard let plan = parallel.plan, plan.receivedBytes > 0, isFirst else { return }
    let size = String(format: "%.3g MiB", Double(plan.receivedBytes) / 0x1p20)
    Terminal.note(
      "each step exchanged \(plan.factors.count) gradients by their factors and \(plan.sums.count) as "
        + "sums, \(size) to each of \(ranks.count) ranks")
    Terminal.detail("by their factors: \(plan.factors.joined(separator: ", "))")
    Terminal.detail("as sums: \(plan.sums.joined(separator: ", "))")
  }
}
