import Foundation

/// Standard error: notes, and one line that is rewritten where someone watches.
enum Terminal {
  /// Whether standard error is a terminal.
  static let isInteractive = isatty(STDERR_FILENO) == 1

  /// Writes a line.
  static func note(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// Rewrites the current line, cut to the terminal's width; for terminals alone.
  static func rewrite(_ text: String) {
    FileHandle.standardError.write(Data("\r\u{1B}[2K\(text.prefix(columns - 1))".utf8))
  }

  /// The terminal's width; 80 where it does not say.
  private static var columns: Int {
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return known ? Int(size.ws_col) : 80
  }
}
