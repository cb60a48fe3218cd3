import ArgumentParser
import Experiments
import Foundation

/// `gputrain status`: how far a sweep is, whoever is at work on it.
struct StatusCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Tell how far a sweep is, and which processes are at work on it.",
    discussion: """
      Any number of processes and machines fill one store: `gputrain sweep` with the same options and \
      --out, begun again beside the first, helps. This says which runs are done, who trains the others, \
      and about how long it takes. Nothing is trained, and no device is needed.

      Examples:
          gputrain status runs/mine
          gputrain status runs/mine --json | jq .seconds_left
      """)

  @Argument(
    help: ArgumentHelp("The directory that --out of sweep named.", valueName: "directory"),
    completion: .directory)
  var directory: String

  @OptionGroup var output: OutputOptions

  func run() throws {
    let place = URL(fileURLWithPath: directory)
    let status = try StoreStatus(RunStore(existing: place))
    if output.json { return Terminal.print(try jsonText(status)) }
    Terminal.print("\(place.relativePath): \(status.inWords)")
    if !status.workers.isEmpty { Terminal.print(status.table) }
    if let seconds = status.secondsLeft {
      let isAtWork = status.workers.contains { !$0.isStale && $0.runs > 0 }
      Terminal.print(
        "about \(ProgressDisplay.duration(seconds)) left"
          + (isAtWork ? "" : ", for one process such as those before; nobody is at work"))
    }
  }
}

extension StoreStatus {
  /// "72 of 288 runs done (3 diverged), 24 under way, 192 to do".
  var inWords: String {
    let counts = [
      (running, "under way"), (stale, "given up by processes that are gone"), (failed, "failed"),
      (waiting, "to do"),
    ]
    return "\(done) of \(total) runs done" + (diverged > 0 ? " (\(diverged) diverged)" : "")
      + counts.map { $0 > 0 ? ", \($0) \($1)" : "" }.joined()
  }

  /// Who is at work.
  var table: String {
    let rows =
      [["process", "user", "device", "runs", "since", "last sign of life"]]
      + workers.map { worker in
        [
          worker.holder.inWords, worker.holder.user, worker.device,
          worker.runs == 0 ? "waits" : "\(worker.runs)", worker.since,
          "\(ProgressDisplay.duration(worker.silence)) ago"
            + (worker.isStale ? ": gone" : ""),
        ]
      }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).dropLast().map {
        $0.padding(toLength: $1, withPad: " ", startingAt: 0)
      }
      return (["  " + cells.joined(separator: "  ")] + row.suffix(1)).joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
