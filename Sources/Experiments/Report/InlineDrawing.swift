import Foundation

/// gnuplot's SVG as part of a page: in the page's colours, with names of its own.
struct InlineDrawing {
  /// The `svg` element; nil where the drawing is none.
  let node: HTMLNode?

  /// Makes a drawing part of a page.
  ///
  /// - svg: as gnuplot writes it. Not any SVG: comments and entities in attributes are unknown.
  /// - id: what its names begin with; unique on the page.
  /// - description: what it shows, for those who do not see it.
  init(svg: String, id: String, title: String, description: String) {
    guard case .element(_, let attributes, let content)? = Self.tree(svg, id) else {
      node = nil
      return
    }
    node = .element(
      "svg",
      [("id", id), ("role", "img"), ("aria-labelledby", "\(id)-title \(id)-desc")] + attributes,
      [
        HTMLNode.tag("title", title).with("id", "\(id)-title"),
        HTMLNode.tag("desc", description).with("id", "\(id)-desc"),
      ] + content)
  }

  /// An element that is not closed yet.
  private struct Open {
    let name: String
    let attributes: [(name: String, value: String)]
    var content: [HTMLNode] = []
  }

  /// The drawing's elements, without what a page has no use for.
  private static func tree(_ svg: String, _ id: String) -> HTMLNode? {
    var open = [Open(name: "", attributes: [])]
    func close(_ element: Open) {
      if let node = kept(element) { open[open.count - 1].content.append(node) }
    }
    for part in svg.split(separator: "<") {
      guard let end = part.firstIndex(of: ">"), let first = part.first, first != "?", first != "!"
      else { continue }
      let tag = part[..<end]
      if first == "/" {
        guard open.count > 1 else { return nil }
        close(open.removeLast())
      } else {
        let isWhole = tag.last == "/"
        let name = tag.prefix { !$0.isWhitespace && $0 != "/" }
        let rest = tag.dropFirst(name.count).dropLast(isWhole ? 1 : 0)
        let element = Open(name: String(name), attributes: attributes(of: rest, id))
        if isWhole { close(element) } else { open.append(element) }
      }
      let text = part[part.index(after: end)...]
      // Escaped already; spaces between elements are for people.
      if !text.allSatisfy(\.isWhitespace) {
        open[open.count - 1].content.append(.markup(String(text)))
      }
    }
    return open.count == 1 ? open[0].content.first : nil
  }

  /// The element, nil where it is of no use: names of files, filters that nothing uses, the
  /// background, and groups that hold nothing, of which gnuplot writes many.
  private static func kept(_ element: Open) -> HTMLNode? {
    switch element.name {
    case "title", "desc", "filter": return nil
    case "g" where element.content.isEmpty: return nil
    case "rect" where element.attributes.contains { $0 == ("fill", "none") || $0 == white }:
      return nil
    default: return .element(element.name, element.attributes, element.content)
    }
  }

  private static let white = (name: "fill", value: "#ffffff")

  /// The attributes in a tag behind its name, colours and names as the page has them.
  private static func attributes(
    of text: Substring, _ id: String
  ) -> [(name: String, value: String)] {
    var result: [(name: String, value: String)] = []
    var rest = text
    while let equals = rest.firstIndex(of: "=") {
      let name = rest[..<equals].trimmingCharacters(in: .whitespacesAndNewlines)
      let behind = rest[rest.index(after: equals)...].drop(while: \.isWhitespace)
      guard let quote = behind.first else { break }
      let value = behind.dropFirst().prefix { $0 != quote }
      rest = behind.dropFirst(value.count + 2)
      if let value = page(String(value), of: name, id) {
        result.append((name == "xlink:href" ? "href" : name, value))
      }
    }
    return result
  }

  /// An attribute's value on the page; nil where it is left out.
  private static func page(_ value: String, of name: String, _ id: String) -> String? {
    switch name {
    case "xmlns:xlink", "class", "shape-rendering": return nil
    case "id": return "\(id)-\(value)"
    case "href", "xlink:href": return value.hasPrefix("#") ? "#\(id)-\(value.dropFirst())" : nil
    // What is drawn in the current colour takes it from the page.
    case "color" where ["black", "white", "gray"].contains(value): return nil
    case _ where value == "black": return "currentColor"
    case _ where value.hasPrefix("rgb("):
      let parts = value.dropFirst(4).dropLast().split(separator: ",").compactMap {
        Int($0.trimmingCharacters(in: .whitespaces))
      }
      return css[parts] ?? value
    default: return value
    }
  }

  /// What stands for each colour of a drawing, by red, green and blue.
  private static let css: [[Int]: String] = {
    var result: [[Int]: String] = [
      // Of drawings that are files of their own: black lines and a grey grid.
      [0, 0, 0]: "currentColor", [0xDD, 0xDD, 0xDD]: PlotColour.grid.css,
    ]
    for colour in PlotColour.variables + [.ink] {
      let (red, green, blue) = colour.placeholder
      result[[red, green, blue]] = colour.css
    }
    return result
  }()
}
