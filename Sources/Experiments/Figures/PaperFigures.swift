import Foundation

/// Files of the two figures: data as CSV and JSON, pictures by gnuplot.
public struct PaperFigures {
  /// Where the files go.
  public let directory: URL

  /// Figures in `directory`, which is made where it is missing.
  ///
  /// - Throws: `RunStoreError` where it cannot be.
  public init(directory: URL) throws {
    self.directory = directory
    try AtomicFile.makeDirectory(directory)
  }

  /// Writes a figure's data.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public func write(_ spectrum: GradientSpectrum) throws {
    try write(spectrum.spectrumCSV, to: Name.spectrum)
    try write(spectrum.stableRankCSV, to: Name.stableRank)
  }

  /// Writes a figure's data.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public func write(_ learning: FeatureLearning) throws {
    try write(learning.csv, to: Name.learning)
  }

  /// Draws the figures; returns the pictures. The second is left out where a panel has no point:
  /// networks diverged.
  ///
  /// - Throws: `Gnuplot.Failure`.
  public func draw(
    _ spectrum: GradientSpectrum, _ learning: FeatureLearning, with gnuplot: Gnuplot,
    format: Gnuplot.Format
  ) throws -> [URL] {
    let pictures = ["low-rank-updates", "feature-learning"].map { "\($0).\(format.rawValue)" }
    try gnuplot.run(lowRankScript(spectrum, format, pictures[0]), in: directory)
    let isDrawable = learning.hasPoints
    if isDrawable {
      try gnuplot.run(learningScript(learning, format, pictures[1]), in: directory)
    }
    return pictures.prefix(isDrawable ? 2 : 1).map { directory.appendingPathComponent($0) }
  }

  private enum Name {
    static let spectrum = "gradient-spectrum.csv"
    static let stableRank = "gradient-stable-rank.csv"
    static let learning = "feature-learning.csv"
  }

  private func write(_ text: String, to name: String) throws {
    try AtomicFile.write(Data(text.utf8), to: directory.appendingPathComponent(name))
  }

  /// Okabe and Ito's colours, distinguishable by colour-blind readers, with a dash each for print.
  private static let colours = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
  ]

  private func head(_ format: Gnuplot.Format, _ picture: String, width: Int) -> String {
    """
    set terminal \(format.terminal(width: width, height: 420))
    set output '\(picture)'
    set datafile separator ','
    set grid lc rgb '#dddddd'
    set key top right samplen 2 spacing 1.1
    set border 3
    set tics nomirror

    """
  }

  private func lowRankScript(
    _ figure: GradientSpectrum, _ format: Gnuplot.Format, _ picture: String
  ) -> String {
    let curves = figure.spectra.enumerated().map { index, spectrum in
      let name = spectrum.batchSize.map(String.init) ?? "weight"
      let title = spectrum.batchSize.map { "gradient, batch \($0)" } ?? "weight"
      let colour =
        spectrum.batchSize == nil
        ? "#000000" : Self.colours[(index - 1) % (Self.colours.count - 2)]
      return "'\(Name.spectrum)' using (strcol(1) eq '\(name)' ? $2 : NaN):"
        + "($3 > 0 ? $3 : NaN) with lines lw 2 dt \(index % 5 + 1) lc rgb '\(colour)' "
        + "title '\(title)'"
    }
    return head(format, picture, width: 1000) + """
      set multiplot layout 1,2
      set logscale xy
      set format y '10^{%L}'
      set xlabel 'index'
      set ylabel 'singular value / largest'
      set yrange [1e-6:2]
      set key bottom left opaque
      set title 'singular values, layer 2, \(figure.shape[0])×\(figure.shape[1])'
      plot \(curves.joined(separator: ", \\\n     "))
      unset yrange
      set format y '%g'
      set key top left
      set xlabel 'batch size B'
      set ylabel 'stable rank'
      set title 'stable rank of the gradient'
      plot '\(Name.stableRank)' using 1:3 with lines dt 2 lw 2 lc rgb '#999999' \
      title 'min(B, n)', \
      '' using 1:2 with linespoints pt 7 lw 2 lc rgb '#0072B2' title 'measured'
      unset multiplot

      """
  }

  private func learningScript(
    _ figure: FeatureLearning, _ format: Gnuplot.Format, _ picture: String
  ) -> String {
    let names = figure.curves.map(\.parametrization).uniqued()
    let panels = FeatureLearning.Quantity.allCases.map { quantity in
      let title =
        switch quantity {
        case .features: "‖h_2 − h_2^0‖ / ‖h_2^0‖"
        case .spectral: "‖W_2 − W_2^0‖_* / ‖W_2^0‖_*"
        case .frobenius: "‖W_2 − W_2^0‖_F / ‖W_2^0‖_F"
        }
      let curves = names.enumerated().map { index, name in
        let exponent = figure.curves.first {
          $0.parametrization == name && $0.quantity == quantity
        }?.exponent
        let fitted = exponent.map { ", n^{\(ReportText.number($0, digits: 2))}" } ?? ""
        return "'\(Name.learning)' using (strcol(1) eq '\(name)' && strcol(2) eq "
          + "'\(quantity.rawValue)' ? $3 : NaN):5 with points pt \(index == 0 ? 7 : 5 + index) "
          + "ps 0.6 lc rgb '\(Self.colours[index % Self.colours.count])' title '\(name)\(fitted)'"
      }
      return "set title '\(title)'\nplot \(curves.joined(separator: ", \\\n     "))\n"
    }
    return head(format, picture, width: 1200) + """
      set multiplot layout 1,3
      set logscale xy 2
      set format y '2^{%L}'
      set xlabel 'width n'
      set key bottom left opaque

      """ + panels.joined() + "unset multiplot\n"
  }
}
