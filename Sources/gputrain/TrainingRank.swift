import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Training

/// This process as one of those that train a run together, for `train --data-parallel`.
///
/// The first one keeps results and speaks; the others do the same work into a folder that they remove.
struct TrainingRank {
  private let ranks: MPIRanks
  /// What trains by them.
  let parallel: DataParallel

  /// Meets the others.
  ///
  /// - Throws: `MPIError` where there is no MPI.
  init(_ execution: ExecutionSettings) throws {
    ranks = try MPIRanks()
    parallel = DataParallel(ranks, route: execution.gradientExchange) { Interrupt.isRequested }
    if !isFirst { Terminal.verbosity = .quiet }
    Terminal.note("\(ranks.count) ranks compute a part of each batch each")
  }

  /// Whether this one keeps the results.
  var isFirst: Bool { ranks.rank == 0 }

  /// The request of this rank: of one that is not the first into a folder of its own, with nothing kept; and
  /// where no device is asked for, on the GPU of its number on its machine.
  func own(_ request: TrainingRequest) -> TrainingRequest {
    var own = request
    let environment = ProcessInfo.processInfo.environment
    let gpus = ((try? Device.all()) ?? []).count { $0.kind == .gpu }
    if own.computing.device == nil, gpus > 0, let place = MPIRanks.localRank(in: environment) {
      own.computing.device = "gpu:\(place % gpus)"
    }
    guard !isFirst else { return own }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "gputrain-rank-\(UUID().uuidString)")
    own.execution.out = folder.path
    (own.execution.save, own.execution.tensorboard) = (nil, false)
    own.execution.checkpointEvery = nil
    return own
  }

  /// Agrees with the others on what is to be trained, before the first step.
  ///
  /// - isNeeded: whether this rank has the run to make.
  /// - Returns: whether the first one has.
  /// - Throws: `RanksError` where they are unlike.
  func agrees(on configuration: RunConfiguration, _ sweep: Sweep, step: Int, isNeeded: Bool) throws
    -> Bool
  {
    try parallel.agree(
      on: [
        ("program", Build.version), ("run", configuration.identifier),
        ("device", sweep.compute.deviceDescription), ("first step", "\(step)"),
      ], isNeeded: isNeeded)
  }

  /// Does this rank's part to the end, which all reach; where one cannot go on, it ends all.
  func run(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      let exit = error as? ExitCode
      guard exit != nil && parallel.isStopAgreed else {
        if exit == nil { Terminal.problem("rank \(ranks.rank): \(error)") }
        ranks.abort(status: exit?.rawValue ?? 1)
      }
      ranks.end()
      throw error
    }
    if let plan = parallel.plan, plan.receivedBytes > 0, isFirst {
      Terminal.note(
        "each step exchanged \(plan.factors.count) gradients by their factors and \(plan.sums.count) as "
          + "sums, " + String(format: "%.3g MiB", Double(plan.receivedBytes) / 0x1p20)
          + " to each of \(ranks.count) ranks")
      Terminal.detail("by their factors: \(plan.factors.joined(separator: ", "))")
      Terminal.detail("as sums: \(plan.sums.joined(separator: ", "))")
    }
    ranks.end()
  }
}
