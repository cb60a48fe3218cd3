import Foundation

/// Draws pictures with the gnuplot that is installed, if one is.
public struct Gnuplot: Sendable {
  /// A format of pictures.
  public enum Format: String, CaseIterable, Sendable {
    /// Scalable vector graphics.
    case svg
    /// Pixels.
    case png

    /// The terminal that writes it, `width`×`height` in pixels.
    func terminal(width: Int, height: Int) -> String {
      switch self {
      case .svg:
        "svg size \(width),\(height) dynamic background rgb 'white' font 'Helvetica,14'"
      case .png: "pngcairo size \(width),\(height) background rgb 'white' font 'Helvetica,11'"
      }
    }
  }

  /// Why a picture was not made.
  public struct Failure: Error, CustomStringConvertible {
    /// What gnuplot said.
    public let description: String
  }

  private let executable: URL

  /// The gnuplot on `path`, a list of directories as in PATH; nil where there is none.
  public init?(path: String) {
    let candidates = path.split(separator: ":").map {
      URL(fileURLWithPath: String($0)).appendingPathComponent("gnuplot")
    }
    guard
      let found = candidates.first(where: {
        FileManager.default.isExecutableFile(atPath: $0.path)
      })
    else { return nil }
    executable = found
  }

  /// Runs `script` in `directory`.
  ///
  /// gnuplot reads it from a file there, which is removed afterwards: a program that ends early
  /// would break a pipe.
  ///
  /// - Throws: `Failure` with gnuplot's words; `RunStoreError.fileFailed`.
  func run(_ script: String, in directory: URL) throws {
    let file = directory.appendingPathComponent(
      "\(AtomicFile.temporaryPrefix)\(UUID().uuidString).gp")
    try AtomicFile.write(Data(script.utf8), to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = executable
    process.arguments = [file.lastPathComponent]
    process.currentDirectoryURL = directory
    let errors = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    do {
      try process.run()
    } catch {
      throw Failure(description: "gnuplot does not start: \(error.localizedDescription)")
    }
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(
        description: "gnuplot failed: \(said.trimmingCharacters(in: .whitespacesAndNewlines))")
    }
  }
}
