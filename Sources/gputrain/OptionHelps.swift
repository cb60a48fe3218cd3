import ArgumentParser
import Foundation

/// What a command's help says of its options.
struct OptionHelps: Decodable {
  private struct Command: Decodable {
    let arguments: [Argument]
  }

  private struct Argument: Decodable {
    let abstract: String?
    let preferredName: Name?
    let allValues: [String]?
  }

  private struct Name: Decodable {
    let name: String
  }

  private let command: Command

  /// Each option's help, by its long name.
  static func byName(of command: any ParsableCommand.Type) throws -> [String: String] {
    let help = try JSONDecoder().decode(Self.self, from: Data(command._dumpHelp().utf8))
    var result: [String: String] = [:]
    for argument in help.command.arguments {
      guard let name = argument.preferredName?.name, let abstract = argument.abstract else {
        continue
      }
      let values = argument.allValues.map { " One of \($0.joined(separator: ", "))." } ?? ""
      result[name] = abstract + values
    }
    return result
  }
}
