import Experiments
import Foundation
import Synchronization

/// What the program says beside its result, on standard error: notes, and one line of progress that
/// is rewritten where someone watches.
enum Terminal {
  /// Whether standard error is a terminal.
  static let isInteractive = isatty(STDERR_FILENO) == 1

  private struct State {
    var verbosity: OutputOptions.Verbosity?
    /// Whether the cursor stands in a line of progress.
    var isInLine = false
  }

  private static let state = Mutex(State())

  /// How much is said; nil for the usual.
  static var verbosity: OutputOptions.Verbosity? {
    get { state.withLock { $0.verbosity } }
    set { state.withLock { $0.verbosity = newValue } }
  }

  /// Says something, unless --quiet.
  static func note(_ text: String) {
    if verbosity != .quiet { write(text + "\n", isLine: false) }
  }

  /// Says something that only --verbose asks for.
  static func detail(_ text: @autoclosure () throws -> String) rethrows {
    if verbosity == .verbose { write(try text() + "\n", isLine: false) }
  }

  /// Says what went wrong, whatever is asked for.
  static func problem(_ text: String) {
    write(text + "\n", isLine: false)
  }

  /// Rewrites the line of progress, on terminals alone; an empty text takes it away.
  static func rewrite(_ text: String) {
    if isInteractive && verbosity != .quiet { write(text, isLine: !text.isEmpty) }
  }

  /// A line of progress that stood there is cleared first.
  private static func write(_ text: String, isLine: Bool) {
    state.withLock { state in
      let start = state.isInLine ? "\r\u{1B}[2K" : ""
      state.isInLine = isLine
      FileHandle.standardError.write(Data((start + text).utf8))
    }
  }

  /// The width of standard error's terminal; 80 where it does not say.
  static var columns: Int {
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return known ? Int(size.ws_col) : 80
  }
}

/// Colours of a stream: on terminals alone, and never where `NO_COLOR` (no-color.org) is set or the
/// terminal is dumb.
struct Colours {
  private let isOn: Bool

  /// Of the stream with this descriptor.
  init(
    of descriptor: Int32, environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    isOn =
      isatty(descriptor) == 1 && environment["NO_COLOR", default: ""].isEmpty
      && environment["TERM"] != "dumb"
  }

  /// Those of results.
  static let output = Colours(of: STDOUT_FILENO)
  /// Those of progress.
  static let errors = Colours(of: STDERR_FILENO)

  /// `text` in its tone's colour.
  func paint(_ text: String, _ tone: Tone) -> String {
    guard isOn else { return text }
    let code =
      switch tone {
      case .good: "32"
      case .bad: "31"
      case .unsure: "33"
      }
    return "\u{1B}[\(code)m\(text)\u{1B}[0m"
  }
}
