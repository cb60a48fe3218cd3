import Foundation

/// Turns plots into parts of a page.
struct PictureMaker {
  /// What draws; nil where there is nothing to draw with.
  let gnuplot: Gnuplot?
  let format: Gnuplot.Format
  /// Where drawings lie until they are part of the page.
  let workplace: URL

  /// The picture of a plot; nil where nothing draws it.
  ///
  /// - Throws: `Gnuplot.Failure`, `RunStoreError`.
  func picture(of plot: Plot) throws -> HTMLNode? {
    guard let gnuplot, plot.hasPoints else { return nil }
    let name = "\(AtomicFile.temporaryPrefix)\(UUID().uuidString).\(format.rawValue)"
    let file = workplace.appendingPathComponent(name)
    defer { try? FileManager.default.removeItem(at: file) }
    try gnuplot.run(PlotScript(plot: plot, format: format).text(output: name), in: workplace)
    return try picture(
      at: file, id: plot.id, title: plot.title, description: plot.description)
  }

  /// A picture that is a file already, in `format`.
  ///
  /// - Throws: `Gnuplot.Failure` where it is not there; `RunStoreError`.
  func picture(
    at file: URL, id: String, title: String, description: String
  ) throws -> HTMLNode {
    guard let data = try AtomicFile.read(file), !data.isEmpty else {
      throw Gnuplot.Failure(description: "gnuplot drew no \(file.lastPathComponent)")
    }
    switch format {
    case .svg:
      let drawing = InlineDrawing(
        svg: String(decoding: data, as: UTF8.self), id: id, title: title, description: description)
      guard let node = drawing.node else {
        throw Gnuplot.Failure(description: "gnuplot's \(file.lastPathComponent) is no drawing")
      }
      return node
    case .png:
      return .element(
        "img",
        [
          ("id", id), ("alt", "\(title). \(description)"),
          ("src", "data:image/png;base64," + data.base64EncodedString()),
        ], [])
    }
  }
}
