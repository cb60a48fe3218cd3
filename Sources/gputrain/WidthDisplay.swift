import Experiments

/// Shows how far networks of several widths are: of a check, of the second figure.
final class WidthDisplay {
  private let display = ProgressDisplay()

  /// Shows `progress` where it is time to.
  func show(_ progress: WidthProgress) {
    display.show(
      key: "\(progress.parametrization) \(progress.width)", share: progress.share
    ) {
      [.init("\(progress.parametrization), width \(progress.width)")]
    }
  }

  /// Takes the line away.
  func end() { display.end() }
}
