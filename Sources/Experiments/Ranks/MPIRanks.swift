import CMPI
import Foundation
import Training

/// The processes that `mpirun`, `srun` or another launcher has started, by the library of MPI that is installed:
/// Open MPI's, or one of MPICH's binary interface. It is loaded when this is made, and not before.
public final class MPIRanks: Ranks {
  /// This process among all, from 0.
  public let rank: Int
  /// How many there are.
  public let count: Int

  /// Which library is loaded, where this names one in the environment.
  public static let libraryVariable = "GPUTRAIN_MPI"

  /// Meets the other processes.
  ///
  /// - environment: of the program, which may name the library's file.
  /// - Throws: `MPIError` where there is no library, or it does not begin.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    var message = [CChar](repeating: 0, count: 512)
    let path = environment[Self.libraryVariable]
    let code = gputrain_mpi_begin(path, &message, message.count)
    guard code == 0 else {
      let reason = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
      throw MPIError(
        code < 0
          ? "no library of MPI: \(reason); install Open MPI or MPICH, or name the library's file by "
            + Self.libraryVariable
          : "MPI does not begin: \(reason)")
    }
    rank = Int(gputrain_mpi_rank())
    count = Int(gputrain_mpi_size())
    let started = Self.started(in: environment) ?? count
    guard count == started else {
      throw MPIError(
        "the launcher has started \(started) processes, and this library of MPI sees \(count): they are of "
          + "unlike kinds; name the launcher's own library by \(Self.libraryVariable)")
    }
  }

  /// This process among those of its machine, from 0, as launchers say it; nil where they do not.
  public static func localRank(in environment: [String: String]) -> Int? {
    number(
      ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "PMI_LOCAL_RANK"],
      environment)
  }

  /// Processes of this machine, as launchers say it; nil where they do not.
  public static func localCount(in environment: [String: String]) -> Int? {
    number(["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"], environment)
  }

  /// Processes of the job, likewise.
  private static func started(in environment: [String: String]) -> Int? {
    number(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"], environment)
  }

  /// The first of these variables that is a number.
  private static func number(_ names: [String], _ environment: [String: String]) -> Int? {
    names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
  }

  /// Every rank's words, in rank order.
  ///
  /// - Throws: `MPIError`.
  public func gather(
    _ own: UnsafeRawPointer, into all: UnsafeMutableRawPointer, counts: [Int]
  ) throws {
    let sizes = try Self.numbers(counts)
    try check(gputrain_mpi_gather(own, sizes[rank], all, sizes, try Self.offsets(counts)), "gather")
  }

  /// Pieces from and to every rank.
  ///
  /// - Throws: `MPIError`.
  public func exchange(
    _ own: UnsafeRawPointer, sent: [Int], into pieces: UnsafeMutableRawPointer, received: [Int]
  ) throws {
    let code = gputrain_mpi_exchange(
      own, try Self.numbers(sent), try Self.offsets(sent), pieces, try Self.numbers(received),
      try Self.offsets(received))
    try check(code, "exchange")
  }

  /// Ends every process with this status, as one of them cannot go on.
  public func abort(status: Int32) -> Never {
    gputrain_mpi_abort(status)
    exit(status)
  }

  /// Leaves the others, once all have come here.
  public func end() { gputrain_mpi_end() }

  private func check(_ code: Int32, _ call: String) throws {
    if code != 0 { throw MPIError("MPI's \(call) returned \(code)") }
  }

  /// MPI counts by 32 bits.
  private static func numbers(_ counts: [Int]) throws -> [Int32] {
    try counts.map { count in
      guard let number = Int32(exactly: count) else {
        throw MPIError("a message of \(count) numbers; MPI takes \(Int32.max)")
      }
      return number
    }
  }

  private static func offsets(_ counts: [Int]) throws -> [Int32] {
    var next = 0
    return try numbers(
      counts.map { count in
        defer { next += count }
        return next
      })
  }
}

/// Why processes cannot meet by MPI.
public struct MPIError: Error, CustomStringConvertible {
  /// One line.
  public let description: String

  init(_ description: String) { self.description = description }
}
