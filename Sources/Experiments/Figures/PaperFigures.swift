import Foundation

/// Files of the two figures' data, as CSV.
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

  private enum Name {
    static let spectrum = "gradient-spectrum.csv"
    static let stableRank = "gradient-stable-rank.csv"
    static let learning = "feature-learning.csv"
  }

  private func write(_ text: String, to name: String) throws {
    try AtomicFile.write(Data(text.utf8), to: directory.appendingPathComponent(name))
  }
}
