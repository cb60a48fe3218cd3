import Foundation

/// Makes `report.html` of what directories hold, and of tables of results.
public struct ReportWriter {
  /// What was written, for programs.
  public struct Output: Encodable, Sendable {
    /// A sweep's group with its answer.
    public struct Verdict: Encodable, Sendable {
      /// The directory; of a table of results its file.
      public let directory: String
      /// Parametrization and update rule; of a check, what it checked; of a table of results the name
      /// of the comparison and nothing.
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
    /// Paths of the pictures that were written beside it.
    public let pictures: [String]
    /// One for each group of each sweep or table; none of figures.
    public let verdicts: [Verdict]
  }

  private let files: PictureFiles?

  /// A writer of pages, which writes their pictures into `files` too.
  public init(pictures files: PictureFiles? = nil) {
    self.files = files
  }

  /// The name of a page.
  public static let fileName = "report.html"

  /// Where the pictures of a page go: of `report.html` into `report-pictures`.
  public static func pictures(of page: URL) -> URL {
    let name = page.deletingPathExtension().lastPathComponent
    return page.deletingLastPathComponent().appendingPathComponent("\(name)-pictures")
  }

  /// Writes the page of `directories`, several of which are compared, to `file`, then its pictures.
  ///
  /// - mayBeEmpty: whether a sweep without any finished run has a page too.
  /// - Throws: `ReportError`; `RunStoreError`; `PictureFiles.Failure`, when the page is there already.
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
    let album = PictureAlbum()
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
      page = try SweepPage(records, album: album, directory: folder).page()
      verdicts = records.flatMap(Self.verdicts)
    case .check:
      let source = directories[0]
      let check = try Self.read(CheckFile.self, .check, source)
      try AtomicFile.makeDirectory(folder)
      page = CheckPage(file: check, source: source, album: album, directory: folder).page
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
      page = FiguresPage(file: figures, source: source, album: album, directory: folder).page
      verdicts = []
    }
    return try write(page, album, to: file, verdicts)
  }

  /// Writes the page of results that were made elsewhere to `file`, then its pictures.
  ///
  ///     try ReportWriter().write(
  ///       ResultsTable(path: "results.csv"), command: ["gputrain", "transfer", "results.csv"],
  ///       version: "", to: URL(fileURLWithPath: "results/report.html"))
  ///
  /// - command: the program and its arguments, which the page shows. version: the program's.
  /// - Throws: `RunStoreError`; `PictureFiles.Failure`, when the page is there already.
  @discardableResult
  public func write(
    _ table: ResultsTable, command: [String], version: String, to file: URL
  ) throws -> Output {
    try AtomicFile.makeDirectory(file.deletingLastPathComponent())
    let album = PictureAlbum()
    let page = TransferPage(
      table: table, commandLine: Invocation.line(of: command), version: version, album: album
    ).page
    return try write(
      page, album, to: file,
      table.report.groups.map {
        Output.Verdict(
          directory: table.reading.path, parametrization: $0.parametrization, optimizer: "",
          outcome: $0.verdict.outcome.rawValue, text: $0.verdict.text, missing: $0.missing)
      })
  }

  private func write(
    _ page: ReportPage, _ album: PictureAlbum, to file: URL, _ verdicts: [Output.Verdict]
  ) throws -> Output {
    AtomicFile.removeTemporaries(in: file.deletingLastPathComponent())
    try AtomicFile.write(Data(page.html.utf8), to: file)
    let pictures = try files?.write(album.pictures, in: Self.pictures(of: file)) ?? []
    return Output(report: file.path, pictures: pictures.map(\.path), verdicts: verdicts)
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
}
