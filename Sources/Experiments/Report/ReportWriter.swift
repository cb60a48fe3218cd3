import Foundation

/// Makes `report.html` of what directories hold.
public struct ReportWriter {
  /// What was written, for programs.
  public struct Output: Encodable, Sendable {
    /// A sweep's group with its answer.
    public struct Verdict: Encodable, Sendable {
      /// The directory.
      public let directory: String
      /// Parametrization and update rule; of a check, what it checked.
      public let parametrization, optimizer: String
      /// The word: of a sweep `transfers`, `does not transfer` or `inconclusive`, of a check
      /// `pass` or `fail`.
      public let outcome: String
      /// The sentence.
      public let text: String
      /// Runs that were asked for and are not there.
      public let missing: Int
    }

    /// The page's path.
    public let report: String
    /// Whether it has pictures.
    public let hasPictures: Bool
    /// One for each group of each sweep; none of figures.
    public let verdicts: [Verdict]

    private enum CodingKeys: String, CodingKey {
      case report
      case hasPictures = "pictures"
      case verdicts
    }
  }

  private let gnuplot: Gnuplot?
  private let format: Gnuplot.Format

  /// A writer that draws with `gnuplot`; without it pages hold the data alone.
  public init(gnuplot: Gnuplot?, format: Gnuplot.Format = .svg) {
    (self.gnuplot, self.format) = (gnuplot, format)
  }

  /// The name of a page.
  public static let fileName = "report.html"

  /// Writes the page of `directories`, several of which are compared, to `file`.
  ///
  /// - mayBeEmpty: whether a sweep without any finished run has a page too.
  /// - Throws: `ReportError`; `Gnuplot.Failure`; `RunStoreError`.
  @discardableResult
  public func write(
    _ directories: [URL], to file: URL, mayBeEmpty: Bool = false
  ) throws -> Output {
    let kinds = try directories.map(ReportFolder.kind)
    if directories.count > 1, let other = kinds.firstIndex(where: { $0 != .sweep }) {
      throw ReportError.notComparable(
        path: directories[other].relativePath, kind: kinds[other].rawValue)
    }
    let folder = file.deletingLastPathComponent()
    let pictures = PictureMaker(gnuplot: gnuplot, format: format, workplace: folder)
    let page: ReportPage
    let verdicts: [Output.Verdict]
    switch kinds[0] {
    case .sweep:
      let records = try directories.map(SweepRecord.init)
      if !mayBeEmpty, let empty = records.first(where: \.rows.isEmpty) {
        throw ReportError.noRuns(path: empty.directory.relativePath)
      }
      try AtomicFile.makeDirectory(folder)
      if let other = records.first(where: { $0.axes != records[0].axes }) {
        throw ReportError.otherAxes(
          path: other.directory.relativePath, axes: other.axes.inWords,
          others: records[0].axes.inWords)
      }
      page = try SweepPage(records, pictures: pictures, directory: folder).page()
      verdicts = records.flatMap(Self.verdicts)
    case .check:
      let source = directories[0]
      let check = try Self.read(CheckFile.self, .check, source)
      try AtomicFile.makeDirectory(folder)
      page = try CheckPage(file: check, source: source, pictures: pictures, directory: folder)
        .page()
      verdicts = [
        Output.Verdict(
          directory: source.path, parametrization: check.report.parametrization,
          optimizer: check.report.optimizer, outcome: check.report.verdict.rawValue,
          text: check.report.sentence, missing: 0)
      ]
    case .figures:
      let source = directories[0]
      let figures = try Self.read(FiguresFile.self, .figures, source)
      try AtomicFile.makeDirectory(folder)
      page = try FiguresPage(
        file: figures, source: source, pictures: pictures, directory: folder
      ).page(drawn: try drawn(figures, in: source))
      verdicts = []
    }
    try AtomicFile.write(Data(page.html.utf8), to: file)
    return Output(report: file.path, hasPictures: gnuplot != nil, verdicts: verdicts)
  }

  private static func read<Value: Decodable>(
    _ type: Value.Type, _ kind: ReportFolder, _ directory: URL
  ) throws -> Value {
    let file = kind.file(in: directory)
    guard let value = try KeptFile.read(type, at: file, what: "a \(kind.rawValue)") else {
      throw ReportError.nothingThere(path: directory.relativePath)
    }
    return value
  }

  private static func verdicts(_ record: SweepRecord) -> [Output.Verdict] {
    record.report.groups.map { group in
      Output.Verdict(
        directory: record.directory.path, parametrization: group.parametrization,
        optimizer: group.optimizer?.rawValue ?? "", outcome: group.verdict.outcome.rawValue,
        text: group.verdict.text,
        missing: record.missing.count {
          $0.parametrization == group.parametrization && $0.optimizer == group.optimizer
        })
    }
  }

  /// The figures' pictures by name, drawn again.
  private func drawn(_ figures: FiguresFile, in directory: URL) throws -> [String: URL] {
    guard let gnuplot else { return [:] }
    let files = try PaperFigures(directory: directory).draw(
      figures.spectrum, figures.learning, with: gnuplot, format: format)
    return Dictionary(
      files.map { ($0.deletingPathExtension().lastPathComponent, $0) },
      uniquingKeysWith: { $1 })
  }
}
