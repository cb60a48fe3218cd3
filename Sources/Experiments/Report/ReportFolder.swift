import Foundation

/// What a directory holds that a report can be made of.
enum ReportFolder: String {
  case sweep, check, figures

  /// What lies in `directory`.
  ///
  /// - Throws: `ReportError.noDirectory`, `.nothingThere`.
  static func kind(of directory: URL) throws -> ReportFolder {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: directory.path, isDirectory: &isDirectory),
      isDirectory.boolValue
    else { throw ReportError.noDirectory(path: directory.relativePath) }
    let kinds: [ReportFolder] = [.sweep, .check, .figures]
    guard
      let kind = kinds.first(where: {
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
