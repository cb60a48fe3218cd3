import Foundation

/// Directories for results that have no place of their own.
enum RunDirectory {
  /// Where they are.
  static let all = URL(fileURLWithPath: "runs")

  /// `runs/<time>-<name>`, where nothing is yet.
  ///
  /// - name: characters other than letters, digits and hyphens become hyphens.
  static func new(named name: String) -> URL {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let plain = name.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "-" }
    let base = "\(formatter.string(from: Date()))-\(String(plain))"
    // Two within a second, of a script, are two directories.
    let names = [base] + (2...99).map { "\(base)-\($0)" }
    let free = names.first {
      !FileManager.default.fileExists(atPath: all.appendingPathComponent($0).path)
    }
    return all.appendingPathComponent(free ?? base)
  }
}
