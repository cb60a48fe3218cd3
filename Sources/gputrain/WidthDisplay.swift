import ArgumentParser
import Experiments
import Foundation

/// Shows how far networks of several widths are: of a check, of the second figure. Ctrl-C ends them and
/// keeps what is done.
final class WidthDisplay {
  private let display = ProgressDisplay()
  private let interrupt = Interrupt()
  private let directory: URL

  /// - directory: where the results go.
  init(directory: URL) { self.directory = directory }

  /// Shows `progress` where it is time to.
  ///
  /// - Throws: `ExitCode` 130 where an end was asked for.
  func show(_ progress: WidthProgress) throws {
    if interrupt.isRequested {
      display.end()
      Terminal.problem(
        "stopped; what is done is kept in \(directory.relativePath). The same command with --out "
          + "\(directory.relativePath) runs the rest")
      throw ExitCode(130)
    }
    display.show(
      key: "\(progress.parametrization) \(progress.width)", share: progress.share
    ) {
      [.init("\(progress.parametrization), width \(progress.width)")]
    }
  }

  /// Takes the line away.
  func end() { display.end() }
}
