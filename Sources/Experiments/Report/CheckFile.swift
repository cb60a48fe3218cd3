import Foundation

/// A check with how it came about: the content of `check.json`.
public struct CheckFile: Codable, Sendable {
  /// What it found.
  public let report: CheckReport
  /// What the networks shared.
  public let experiment: Experiment
  /// The command, and what it ran on.
  public let invocation: Invocation

  /// A check's record.
  public init(report: CheckReport, experiment: Experiment, invocation: Invocation) {
    (self.report, self.experiment, self.invocation) = (report, experiment, invocation)
  }

  /// Keeps it in `directory`, which is made where it is missing.
  ///
  /// - Throws: `RunStoreError`.
  public func write(in directory: URL) throws {
    try AtomicFile.makeDirectory(directory)
    try KeptFile.write(self, at: ReportFolder.check.file(in: directory))
  }
}

/// Both figures with how they came about: the content of `figures.json`.
public struct FiguresFile: Codable, Sendable {
  /// The first figure's data.
  public let spectrum: GradientSpectrum
  /// The second figure's data.
  public let learning: FeatureLearning
  /// What the networks shared.
  public let experiment: Experiment
  /// The command, and what it ran on.
  public let invocation: Invocation

  /// The figures' record.
  public init(
    spectrum: GradientSpectrum, learning: FeatureLearning, experiment: Experiment,
    invocation: Invocation
  ) {
    (self.spectrum, self.learning) = (spectrum, learning)
    (self.experiment, self.invocation) = (experiment, invocation)
  }

  /// Keeps it in `directory`, which is made where it is missing.
  ///
  /// - Throws: `RunStoreError`.
  public func write(in directory: URL) throws {
    try AtomicFile.makeDirectory(directory)
    try KeptFile.write(self, at: ReportFolder.figures.file(in: directory))
  }
}
