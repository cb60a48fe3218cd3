import Foundation

/// A step's time at one place of a series.
struct TimeFigure: Encodable {
  let series, optimizer: String
  let inputs, width, depth, replicas: Int
  let milliseconds, gflops, hostShare: Double

  /// What grows in this series.
  private var size: Int {
    switch series {
    case "width": width
    case "replicas": replicas
    default: depth
    }
  }

  /// One row a figure; the slope is that of log time over log size since the row before.
  static func table(_ figures: [TimeFigure]) -> String {
    var lines = ["grows     rule  inputs  width  depth  replicas        ms   GFLOP/s  slope  host"]
    for (index, figure) in figures.enumerated() {
      let before = index > 0 ? figures[index - 1] : figure
      let continues =
        before.series == figure.series && before.size < figure.size
        && before.optimizer == figure.optimizer
      let slope =
        log(figure.milliseconds / before.milliseconds)
        / log(Double(figure.size) / Double(before.size))
      lines.append(
        figure.series.padding(toLength: 10, withPad: " ", startingAt: 0)
          + figure.optimizer.padding(toLength: 4, withPad: " ", startingAt: 0)
          + String(
            format: "%8d%7d%7d%10d%10.3f%10.1f", figure.inputs, figure.width, figure.depth,
            figure.replicas, figure.milliseconds, figure.gflops)
          + (continues ? String(format: "%7.2f", slope) : "      –")
          + String(format: "%5.1f %%", 100 * figure.hostShare))
    }
    return lines.joined(separator: "\n")
  }
}
