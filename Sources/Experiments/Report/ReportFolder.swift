import Foundation

/// What a directory holds that a report can be made of.
public enum ReportFolder: String, CaseIterable, Sendable {
  /// Runs, as `RunStore` keeps them.
  case sweep
  /// What `CheckFile` holds.
  case check
  /// What `FiguresFile` holds.
  case figures

  /// Refuses a directory that holds something else, whose page would be lost.
  ///
  /// - Throws: `ReportError.otherResults`.
  public func requirePlace(in directory: URL) throws {
    try Self.refuse(Self.allCases.filter { $0 != self }, in: directory)
  }

  /// Refuses a directory that holds a sweep, a check or figures, whose page would be lost.
  ///
  /// - Throws: `ReportError.otherResults`.
  public static func requireNone(in directory: URL) throws {
    try refuse(allCases, in: directory)
  }

  private static func refuse(_ others: [ReportFolder], in directory: URL) throws {
    for other in others {
      if FileManager.default.fileExists(atPath: other.file(in: directory).path) {
        throw ReportError.otherResults(path: directory.relativePath, kind: other.rawValue)
      }
    }
  }

  /// What lies in `directory`.
  ///
  /// - Throws: `ReportError.noDirectory`, `.nothingThere`.
  static func kind(of directory: URL) throws -> ReportFolder {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: directory.path, isDirectory: &isDirectory),
      isDirectory.boolValue
    else { throw ReportError.noDirectory(path: directory.relativePath) }
    guard
      let kind = allCases.first(where: {
        FileManager.default.fileExists(atPath: $0.file(in: directory).path)
      })
    else { throw ReportError.nothingThere(path: directory.relativePath) }
    return kind
  }

  /// The file that says what was done.
  func file(in directory: URL) -> URL {
    directory.appendingPathComponent("\(rawValue).json")
  }
}
