import Experiments
import Foundation
import Yams

/// Everything that is wrong with a file that a user wrote, line by line.
struct FileMistakes: Error, CustomStringConvertible {
  /// The file, as it was named.
  let path: String
  private var mistakes: [(line: Int, text: String)] = []
  /// What is wrong with options that were given beside it.
  private var options: [String] = []

  init(path: String) {
    self.path = path
  }

  var isEmpty: Bool { mistakes.isEmpty && options.isEmpty }

  /// Notes a mistake at `node`.
  mutating func add(_ node: Node, _ text: String) {
    add(line: node.mark?.line ?? 1, text)
  }

  mutating func add(line: Int, _ text: String) {
    mistakes.append((line, text.replacingOccurrences(of: "\n", with: " ")))
  }

  /// Notes what is wrong with an option.
  mutating func add(option problem: SettingProblem) { options.append(InvalidOption.text(problem)) }

  mutating func add(_ others: FileMistakes) {
    mistakes += others.mistakes
    options += others.options
  }

  /// A line a mistake, in the order of the file: `sweep.yaml:12: unknown key …`.
  var description: String {
    let lines =
      mistakes.enumerated().sorted {
        ($0.element.line, $0.offset) < ($1.element.line, $1.offset)
      }
      .map { "\(path):\($0.element.line): \($0.element.text)" } + options
    return lines.count == 1
      ? lines[0] : (["\(path) has \(lines.count) mistakes"] + lines).joined(separator: "\n")
  }

  /// - Throws: all of it; `InvalidOption` where no file is at fault.
  func throwIfAny() throws {
    if !mistakes.isEmpty { throw self }
    if !options.isEmpty { throw InvalidOption(options.joined(separator: "\n")) }
  }
}

/// The mapping that a YAML file holds.
enum YAMLFile {
  /// Largest file that is read: far beyond what a person writes.
  private static let limit = 1 << 24

  /// Keys and values of the file's first document; none for an empty file.
  ///
  /// - Throws: `InvalidOption` where it cannot be read, `FileMistakes` where it is no YAML mapping.
  static func mapping(path: String) throws -> Node.Mapping {
    let data: Data
    do {
      data = try RegularFile.content(of: path)
    } catch {
      throw InvalidOption(
        "\(path): "
          + (error.isMissing ? "missing; expected a YAML file" : "unreadable: \(error.reason)"))
    }
    var mistakes = FileMistakes(path: path)
    guard data.count <= limit, let text = String(data: data, encoding: .utf8) else {
      mistakes.add(line: 1, "expected text in UTF-8, at most 16 MiB")
      throw mistakes
    }
    do {
      guard let node = try compose(yaml: text) else { return Node.Mapping([]) }
      if let mapping = node.mapping { return mapping }
      mistakes.add(node, "expected keys with values, such as widths: [64, 128]")
    } catch let error as YamlError {
      switch error {
      case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
        .composer(_, let problem, let mark, _):
        mistakes.add(line: mark.line, "no valid YAML: \(problem)")
      case .duplicatedKeysInMapping(let keys, let context):
        mistakes.add(
          line: context.mark.line,
          "\(keys.sorted().joined(separator: ", ")): expected each key once, got it twice")
      default: mistakes.add(line: 1, "no valid YAML")
      }
    }
    throw mistakes
  }
}
