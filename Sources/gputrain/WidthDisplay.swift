import ArgumentParser
import Experiments
import Foundation

/// Shows how far networks of several widths are: of a check, of the second figure. Ctrl-C ends them and
/// keeps what is done.
final class WidthDisplay {
  private let display = ProgressDisplay()
  private let directory: URL?

  /// - directory: where the results go; nil: nowhere.
  init(directory: URL?) {
    self.directory = directory
    Interrupt.begin()
  }

  /// Shows `progress` where it is time to.
  ///
  /// - Throws: `ExitCode` of the signal where an end was asked for.
  func show(_ progress: WidthProgress) throws {
    if Interrupt.isRequested {
      display.end()
      Terminal.problem(
        directory.map {
          "stopped; what is done is kept in \($0.relativePath). The same command with --out "
            + "\($0.relativePath) runs the rest"
        } ?? "stopped; nothing is kept")
      throw Interrupt.exitCode
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
