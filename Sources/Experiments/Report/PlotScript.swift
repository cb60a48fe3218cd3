import Foundation

/// gnuplot's words for a plot.
struct PlotScript {
  let plot: Plot
  let format: Gnuplot.Format

  /// Of the drawing, in pixels.
  static let (width, height) = (440, 400)

  /// The script; the picture goes to the file `output` in gnuplot's directory.
  func text(output: String) -> String {
    let used = plot.series.filter { !$0.points.isEmpty }
    var lines = [
      // Room under the key, whose last line gnuplot puts half outside.
      "set origin 0,0.02", "set size 1,0.98", "set encoding utf8", "set minussign",
      terminal, "set output \(Self.quoted(output))",
      "set border 3 lc rgb \(colour(.ink)) lw 0.8", "set tics nomirror scale 0.6",
      "set grid lt 1 lw 0.7 lc rgb \(colour(.grid))",
      "set key bmargin center horizontal samplen 3 height 0.5 maxcols \(keyColumns) "
        + "textcolor rgb \(colour(.ink))",
    ]
    lines += axis("x", plot.x) + axis("y", plot.y)
    for (index, series) in used.enumerated() {
      lines += block("$line\(index)", series.points.map { [$0.x, $0.y] })
      if !series.band.isEmpty {
        lines += block("$band\(index)", series.band.map { [$0.x, $0.low, $0.high] })
      }
    }
    let bands = used.indices.filter { !used[$0].band.isEmpty }.map { index in
      "$band\(index) using 1:2:3 with filledcurves fs transparent solid 0.13 noborder lc rgb "
        + "\(colour(used[index].colour)) notitle"
    }
    let curves = used.enumerated().map { index, series in
      "$line\(index) using 1:2 with \(look(series)) lc rgb \(colour(series.colour)) "
        + (series.name.map { "title \(Self.quoted($0))" } ?? "notitle")
    }
    return (lines + ["plot " + (bands + curves).joined(separator: ", \\\n     ")])
      .map { $0 + "\n" }.joined()
  }

  /// Columns of the key that find room, by its longest name.
  private var keyColumns: Int {
    let longest = plot.series.compactMap { $0.name?.count }.max() ?? 0
    return max(1, 48 / (longest + 7))
  }

  private var terminal: String {
    switch format {
    case .svg:
      "set terminal svg size \(Self.width),\(Self.height) dynamic noenhanced "
        + "font 'sans-serif,15'"
    // Twice as many pixels, for paper and fine screens.
    case .png:
      "set terminal pngcairo size \(2 * Self.width),\(2 * Self.height) noenhanced "
        + "background rgb 'white' fontscale 2 linewidth 2 pointscale 2"
    }
  }

  private func axis(_ name: String, _ axis: Plot.Axis) -> [String] {
    var lines = [
      "set \(name)label \(Self.quoted(axis.label)) \(name == "x" ? "offset 0,0.4 " : "")textcolor rgb \(colour(.ink))"
    ]
    if axis.isLogarithmic { lines.append("set logscale \(name)") }
    if let range = axis.range {
      lines.append("set \(name)range [\(range.lowerBound):\(range.upperBound)]")
    }
    let places = axis.ticks.map { ticks in
      "(" + ticks.map { "\(Self.quoted(Plot.Axis.label($0))) \($0)" }.joined(separator: ", ") + ")"
    }
    lines.append("set \(name)tics \(places ?? "") textcolor rgb \(colour(.ink))")
    lines.append("unset m\(name)tics")
    return lines
  }

  /// A block of data; a gap is an empty line.
  private func block(_ name: String, _ rows: [[Double?]]) -> [String] {
    let lines = rows.map { row in
      let known = row.compactMap { $0 }.filter(\.isFinite)
      return known.count == row.count ? known.map { "\($0)" }.joined(separator: " ") : ""
    }
    return ["\(name) << END"] + lines + ["END"]
  }

  private static let markers = [7, 5, 9, 11, 13, 6, 4, 8, 10, 12]
  private static let dashes = ["1", "(14,5)", "(4,4)", "(14,4,3,4)", "(22,5)"]

  private func look(_ series: Plot.Series) -> String {
    let marker = "pt \(Self.markers[series.index % Self.markers.count])"
    let dash = "dt \(Self.dashes[series.index % Self.dashes.count])"
    return switch series.style {
    case .line: "linespoints lw 2 \(dash) \(marker) ps 0.7"
    case .plainLine: "lines lw 2 \(dash)"
    case .dashed: "lines lw 1.4 dt (6,5)"
    case .dotted: "lines lw 1.4 dt (2,4)"
    case .dots: "points \(marker) ps 0.45"
    case .rings: "points pt 6 ps 1.7 lw 2.4"
    case .crosses: "points pt 2 ps 1.1 lw 2.4"
    }
  }

  /// In a drawing that becomes part of a page a placeholder, else the colour on white.
  private func colour(_ colour: PlotColour) -> String {
    guard format == .svg else { return Self.quoted(colour.value(dark: false)) }
    let (red, green, blue) = colour.placeholder
    return Self.quoted(String(format: "#%02x%02x%02x", red, green, blue))
  }

  /// A string for gnuplot, in which nothing is a command; it stays on its line.
  static func quoted(_ text: String) -> String {
    let plain = String(
      text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    return "'" + plain.replacing("'", with: "''") + "'"
  }
}
