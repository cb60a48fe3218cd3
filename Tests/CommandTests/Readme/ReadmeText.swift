import Foundation

/// The commands and options that a page shows: README.md, one of docs/, or a command's help.
struct ReadmeText {
  /// The page, for messages.
  let page: String

  /// A command line of a code block.
  struct Command: CustomStringConvertible {
    /// The page.
    let page: String
    /// Where it begins, from 1.
    let line: Int
    /// As a shell takes it: lines joined, a prompt and a comment taken away.
    let text: String

    var description: String { "\(page):\(line): \(text)" }
  }

  /// The command lines of its code blocks, in order.
  let commands: [Command]
  /// Passages set as code within sentences and tables, with their lines.
  let passages: [(line: Int, text: String)]

  /// What a command line begins with; behind a prompt, `$ `, anything is one.
  private static let programs: Set = [
    "make", "swift", "gputrain", "tensorboard", "python", "python3", "pip", "bash", "sh", "cd",
    "mkdir", "cp", "curl", "git", "sudo", "apt-get", "man", "source", "export", "docker", "env",
  ]

  init(_ text: String, page: String = "README.md") {
    self.page = page
    var commands: [Command] = []
    var passages: [(line: Int, text: String)] = []
    var isFenced = false
    var begun: Command?
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      if line.hasPrefix("```") {
        isFenced.toggle()
        continue
      }
      guard isFenced || line.hasPrefix("    ") else {
        passages += line.matches(of: /`([^`]+)`/).map { (index + 1, String($0.1)) }
        continue
      }
      let content = line.trimmingCharacters(in: .whitespaces)
      var command: Command
      if let open = begun {
        command = Command(page: page, line: open.line, text: open.text + " " + content)
      } else if let text = Self.command(content) {
        command = Command(page: page, line: index + 1, text: text)
      } else {
        continue
      }
      begun = nil
      if command.text.hasSuffix("\\") {
        begun = Command(
          page: page, line: command.line,
          text: command.text.dropLast().trimmingCharacters(in: .whitespaces))
      } else {
        command = Command(
          page: page, line: command.line, text: Self.withoutComment(command.text))
        commands.append(command)
      }
    }
    (self.commands, self.passages) = (commands, passages)
  }

  /// The command of a line of a code block; nil where it is output, YAML or code.
  private static func command(_ line: String) -> String? {
    if line.hasPrefix("$ ") { return String(line.dropFirst(2)) }
    guard let first = line.split(separator: " ").first else { return nil }
    return programs.contains(String(first)) || first.hasSuffix(".sh") ? line : nil
  }

  private static func withoutComment(_ text: String) -> String {
    var quote: Character?
    var last: Character = " "
    for (index, character) in zip(text.indices, text) {
      if let open = quote {
        if character == open { quote = nil }
      } else if "\"'".contains(character) {
        quote = character
      } else if character == "#" && last == " " {
        return text[..<index].trimmingCharacters(in: .whitespaces)
      }
      last = character
    }
    return text
  }
}
