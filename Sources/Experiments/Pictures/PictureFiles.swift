import Foundation

/// The files that pictures are written to: formats, size, font.
public struct PictureFiles: Sendable {
  /// A format of pictures.
  public enum Format: String, CaseIterable, Sendable, CustomStringConvertible,
    LosslessStringConvertible
  {
    /// Scalable vector graphics, which we draw.
    case svg
    /// For LaTeX; `rsvg-convert` makes it of the SVG.
    case pdf
    /// Pixels, 300 an inch; likewise.
    case png

    /// `svg`, `pdf` or `png`.
    public init?(_ description: String) { self.init(rawValue: description) }

    /// The name.
    public var description: String { rawValue }
  }

  /// How wide a picture is, and how high where that is given.
  public struct Size: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// In points, 1/72 inch; of the height nil: as is usual for the width.
    public let width: Double, height: Double?
    /// As it was given.
    public let description: String

    /// Reads `85mm`, `85x60mm` and `85mmx60mm`; units are mm, cm, in and pt.
    ///
    ///     let column = PictureFiles.Size("85mm")
    ///
    /// - Returns: nil for other texts, and for lengths that are not from 10 to 5000 points.
    public init?(_ description: String) {
      let form = /([0-9]*\.?[0-9]+)(mm|cm|in|pt)?(?:[x×]([0-9]*\.?[0-9]+)(mm|cm|in|pt))?/
      guard let match = description.wholeMatch(of: form),
        let unit = match.2 ?? match.4
      else { return nil }
      func points(_ number: Substring, _ unit: Substring) -> Double? {
        let perUnit = ["mm": 72 / 25.4, "cm": 72 / 2.54, "in": 72, "pt": 1][String(unit)]
        let points = Double(number).flatMap { value in perUnit.map { value * $0 } }
        return points.flatMap { (10...5000).contains($0) ? $0 : nil }
      }
      guard let width = points(match.1, unit) else { return nil }
      let height = match.3.flatMap { number in match.4.flatMap { points(number, $0) } }
      if match.3 != nil && height == nil { return nil }
      (self.width, self.height, self.description) = (width, height, description)
    }
  }

  /// What can go wrong.
  public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// `rsvg-convert` is not installed.
    case noConverter(Format)
    /// The picture is too small for its text.
    case tooSmall(Size, fontSize: Double)
    /// `rsvg-convert` did not make a file.
    case notConverted(file: String, reason: String)

    /// One line.
    public var description: String {
      switch self {
      case .noConverter(let format):
        "\(format) pictures are made by rsvg-convert, which is not in PATH: install it (Debian, "
          + "Ubuntu: apt-get install librsvg2-bin; macOS: brew install librsvg), or ask for svg"
      case .tooSmall(let size, let fontSize):
        "a picture of \(size) is too small for text of \(DecimalText.trimmed(fontSize, digits: 2)) pt: "
          + "expected at least "
          + "\(DecimalText.trimmed((PictureFiles.least.width * fontSize).rounded(.up), digits: 0))x"
          + "\(DecimalText.trimmed((PictureFiles.least.height * fontSize).rounded(.up), digits: 0))pt"
      case .notConverted(let file, let reason): "rsvg-convert made no \(file): \(reason)"
      }
    }
  }

  /// Of a picture's text unless given, in points.
  public static let fontSize = 8.0

  /// Widths unless given, in points: a column of print, and a page's text for several panels.
  static let (column, page) = (85 * 72 / 25.4, 170 * 72 / 25.4)

  /// The least size, in sizes of the font.
  static let least = (width: 14.0, height: 10.0)

  private let formats: [Format]
  private let size: Size?
  private let fontSize: Double
  private let converter: URL?

  /// Files in `formats`.
  ///
  /// - size: nil: as wide as a column of print, or, of several panels, as a page's text.
  /// - fontSize: in points.
  /// - path: a list of directories as in PATH, in which `rsvg-convert` is looked for.
  /// - Throws: `Failure.noConverter` where a format needs it and it is not there; `.tooSmall`.
  public init(
    _ formats: [Format], size: Size? = nil, fontSize: Double = fontSize, path: String
  ) throws(Failure) {
    (self.formats, self.size, self.fontSize) = (formats.uniqued(), size, fontSize)
    converter = path.split(separator: ":")
      .map { URL(fileURLWithPath: String($0)).appendingPathComponent("rsvg-convert") }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    if converter == nil, let format = formats.first(where: { $0 != .svg }) {
      throw .noConverter(format)
    }
    if let size,
      size.width < Self.least.width * fontSize
        || (size.height ?? .infinity) < Self.least.height * fontSize
    {
      throw .tooSmall(size, fontSize: fontSize)
    }
  }

  /// Writes the pictures into `folder`, which is made where it is missing.
  ///
  /// - Returns: the files, in the order of pictures and formats.
  /// - Throws: `RunStoreError`; `Failure.notConverted`.
  func write(_ pictures: [Picture], in folder: URL) throws -> [URL] {
    if pictures.isEmpty { return [] }
    try AtomicFile.makeDirectory(folder)
    AtomicFile.removeTemporaries(in: folder)
    return try pictures.flatMap { picture -> [URL] in
      let svg = Data(
        PictureDrawing.file(
          picture, width: size?.width ?? (picture.panels.count > 1 ? Self.page : Self.column),
          height: size?.height, fontSize: fontSize
        ).utf8)
      return try formats.map { format in
        let file = folder.appendingPathComponent("\(picture.name).\(format)")
        try AtomicFile.write(
          format == .svg ? svg : try converted(svg, to: format, for: file),
          to: file)
        return file
      }
    }
  }

  /// The same drawing in another format.
  ///
  /// `rsvg-convert` reads and writes files beside `file`, which are removed afterwards: a program that
  /// ends early would break a pipe.
  private func converted(_ svg: Data, to format: Format, for file: URL) throws -> Data {
    guard let converter else { throw Failure.noConverter(format) }
    let name = file.lastPathComponent
    let (input, output, errors) = (
      AtomicFile.temporary(beside: file), AtomicFile.temporary(beside: file),
      AtomicFile.temporary(beside: file)
    )
    defer { for part in [input, output, errors] { unlink(part.path) } }
    try AtomicFile.write(svg, to: input)
    try AtomicFile.write(Data(), to: errors)
    let process = Process()
    process.executableURL = converter
    process.arguments = [
      "--format=\(format)", "--dpi-x=300", "--dpi-y=300", "--output=\(output.path)", input.path,
    ]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = try FileHandle(forWritingTo: errors)
    do {
      try process.run()
    } catch {
      throw Failure.notConverted(file: name, reason: error.localizedDescription)
    }
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0,
      let made = try AtomicFile.read(output), !made.isEmpty
    else {
      let said = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
      let lines = said.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      throw Failure.notConverted(
        file: name,
        reason: lines.isEmpty
          ? "it ended with status \(process.terminationStatus)" : lines.joined(separator: " "))
    }
    return made
  }
}

/// The pictures of a page, in their order.
final class PictureAlbum {
  /// What files are made of.
  private(set) var pictures: [Picture] = []

  /// A panel's drawing for the page; nil where there is nothing to draw. It is a file too.
  func drawing(of plot: Plot) -> HTMLNode? {
    guard plot.hasPoints else { return nil }
    pictures.append(Picture(plot))
    return PictureDrawing.inline(plot)
  }

  /// A plot with what it shows in words and as numbers; where nothing is to be drawn the numbers alone.
  func figure(of plot: Plot, caption: String, data: [HTMLNode]) -> HTMLNode {
    let picture = drawing(of: plot)
    return .tag(
      "figure",
      [.tag("h3", ReportParts.rich(plot.title))] + (picture.map { [$0] } ?? [])
        + (caption.isEmpty ? [] : [.tag("figcaption", ReportParts.rich(caption))])
        + (data.isEmpty
          ? [] : [ReportParts.details("The numbers", isOpen: picture == nil, data)]))
  }

  /// A picture of several panels, for files alone: before those that it is of.
  func join(_ plots: [Plot], name: String, title: String) {
    let panels = plots.filter(\.hasPoints)
    guard panels.count > 1 else { return }
    pictures.append(
      Picture(
        name: name, title: title,
        description: panels.map { "\($0.title): \($0.description)" }.joined(separator: " "),
        panels: panels))
  }
}
