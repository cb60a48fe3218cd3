import Experiments
import Foundation
import Synchronization

// The C function by another name; inside `Terminal` its own `write` hides it.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}

/// The program's standard streams, which nothing else writes to: results on standard output; on
/// standard error notes, and one line of progress that is rewritten where someone watches.
///
/// A message that cannot be written (a full disk under the log, a terminal that is gone) is dropped, so
/// that training goes on. A result that cannot be written is an error at the program's end. Where the
/// reader of a pipe has left, as `head` does, the rest is dropped quietly. Control characters, which
/// come from the names in files, are written as spaces.
enum Terminal {
  /// Whether standard error is a terminal.
  static let isInteractive = isatty(STDERR_FILENO) == 1

  private struct State {
    var verbosity: OutputOptions.Verbosity?
    /// Whether the cursor stands in a line of progress.
    var isInLine = false
    /// The first error of standard output.
    var outputError: Int32 = 0
  }

  private static let state = Mutex(State())

  /// Makes the streams safe to write to: a closed one would be the number of the next file that is
  /// opened, and a pipe without a reader would end the program.
  static func open() {
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(descriptor, F_GETFD) < 0 {
      // For reading: writing stays the error that it is. The lowest number that is free is taken.
      _ = Foundation.open("/dev/null", O_RDONLY)
    }
    signal(SIGPIPE, SIG_IGN)
  }

  /// How much is said; nil for the usual.
  static var verbosity: OutputOptions.Verbosity? {
    get { state.withLock { $0.verbosity } }
    set { state.withLock { $0.verbosity = newValue } }
  }

  /// Prints a part of the result on standard output.
  static func print(_ text: String, terminator: String = "\n") {
    let bytes = harmless(text, keepsColours: Colours.output.isOn) + terminator
    state.withLock { state in
      if state.outputError == 0 { state.outputError = write(bytes, to: STDOUT_FILENO) }
    }
  }

  /// Ends the writing of results.
  ///
  /// - Returns: why some are lost, in words; nil where all are written or nobody wants the rest.
  static func finishOutput() -> String? {
    let code = state.withLock { state in
      // Network file systems may say only here that there was no room.
      let isClosed = close(STDOUT_FILENO) == 0 || errno == EBADF || errno == EINTR
      return state.outputError != 0 || isClosed ? state.outputError : errno
    }
    return code == 0 || code == EPIPE ? nil : String(cString: strerror(code))
  }

  /// Says something, unless --quiet.
  static func note(_ text: String) {
    if verbosity != .quiet { problem(text) }
  }

  /// Says something that only --verbose asks for.
  static func detail(_ text: @autoclosure () throws -> String) rethrows {
    if verbosity == .verbose { problem(try text()) }
  }

  /// Says what went wrong, whatever is asked for.
  static func problem(_ text: String) {
    say(harmless(text, keepsColours: false) + "\n", isLine: false)
  }

  /// Rewrites the line of progress, on terminals alone; an empty text takes it away.
  static func rewrite(_ text: String) {
    if isInteractive && verbosity != .quiet {
      say(harmless(text, keepsColours: true), isLine: !text.isEmpty)
    }
  }

  /// A line of progress that stood there is cleared first.
  private static func say(_ text: String, isLine: Bool) {
    state.withLock { state in
      let start = state.isInLine ? "\r\u{1B}[2K" : ""
      state.isInLine = isLine
      _ = write(start + text, to: STDERR_FILENO)
    }
  }

  /// `text` as a terminal may have it.
  private static func harmless(_ text: String, keepsColours: Bool) -> String {
    guard keepsColours, text.contains("\u{1B}") else { return text.printable(keeping: "\n\t") }
    // Between its own colour codes.
    var result = ""
    var rest = text[...]
    while let code = rest.firstMatch(of: Colours.code) {
      result += String(rest[..<code.range.lowerBound]).printable(keeping: "\n\t") + code.output
      rest = rest[code.range.upperBound...]
    }
    return result + String(rest).printable(keeping: "\n\t")
  }

  /// Writes all of `text`.
  ///
  /// - Returns: 0, or the number of the error.
  private static func write(_ text: String, to descriptor: Int32) -> Int32 {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        systemWrite(descriptor, $0.baseAddress, $0.count)
      }
      if count >= 0 {
        written += count
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        // Somebody else has made it not block; of messages a second's wait is enough.
        var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        if poll(&wait, 1, descriptor == STDOUT_FILENO ? -1 : 1000) == 0 { return EAGAIN }
      case let code: return code
      }
    }
    return 0
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
  /// Whether texts are coloured.
  let isOn: Bool
  /// Every code that `paint` writes.
  static var code: Regex<Substring> { /\u{1B}\[(?:0|31|32|33)m/ }

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
