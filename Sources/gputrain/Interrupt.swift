import ArgumentParser
import Foundation
import Synchronization

/// The first signal that asked for an end, 0 before.
private let received = Atomic<Int32>(0)
/// When the time that the program may take is over, nanoseconds of the monotonic clock; 0: never.
private let deadline = Atomic<UInt64>(0)
/// When it came, nanoseconds of the monotonic clock.
private let receivedAt = Atomic<UInt64>(0)

/// The monotonic clock, which a signal handler may ask.
private func nanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Notes the first signal; one that comes more than a second later ends the program at once. Those in
/// between are the same request: a terminal and a batch system send several.
private func receive(_ number: Int32) {
  let now = nanoseconds()
  if received.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged {
    receivedAt.store(now, ordering: .relaxed)
  } else {
    let first = receivedAt.load(ordering: .relaxed)
    if first != 0 && now > first + 1_000_000_000 { _exit(128 + number) }
  }
}

/// Ends the program as if nothing had been done about the signal.
private func end(_ number: Int32) {
  signal(number, SIG_DFL)
  raise(number)
}

/// The status of a program that was to end before it was done (`EX_TEMPFAIL` of `sysexits.h`): begin it
/// again.
private let again: Int32 = 75

/// Ends the program, which has done nothing yet.
private func endForNow(_ number: Int32) { _exit(again) }

/// Ctrl-C (SIGINT), SIGTERM, SIGHUP, SIGUSR1 and the end of a time limit as a question that can be asked: was
/// an end asked for?
///
/// Before there is anything to lose, these signals end the program as ever. SIGQUIT always ends it. Of
/// SIGHUP and SIGQUIT, what whoever started the program ignores, as `nohup` does, stays ignored.
enum Interrupt {
  private static let hasBegun = Atomic<Bool>(false)

  /// When the program was started.
  static let start = Date()

  /// What SIGHUP and SIGQUIT do; as the program found them, asked for before a driver changes it.
  private static let (ignoresHangUp, ignoresQuit) = (isIgnored(SIGHUP), isIgnored(SIGQUIT))

  /// Looks at what the program was started with, and lets the signals through that a program which
  /// starts this one from a thread without signals blocks here too, as Foundation's `Process` does.
  static func prepare() {
    _ = (ignoresHangUp, start)
    // With nothing to keep yet.
    handle(SIGUSR1, by: endForNow)
    // Swift's own handler would look for the fault that there is none of, and may wait for ever.
    handle(SIGQUIT, by: ignoresQuit ? SIG_IGN : end)
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// From here on the signals ask for an end, until the program's own, and so does the time.
  ///
  /// - end: when the time is over; nil: never.
  static func begin(until end: Date? = nil) {
    if let end {
      let seconds = max(0, end.timeIntervalSinceNow)
      deadline.store(nanoseconds() + UInt64(seconds * 1e9), ordering: .relaxed)
    }
    // Handlers must find them made.
    _ = (received.load(ordering: .relaxed), receivedAt.load(ordering: .relaxed))
    install()
    hasBegun.store(true, ordering: .relaxed)
  }

  /// Installs the handlers. LLVM, with which PoCL compiles, puts its own in their place when it first
  /// writes a file, and after one signal, such as SIGQUIT, everybody's are as LLVM found them: so this is
  /// done again and again.
  private static func install() {
    for number in [SIGINT, SIGTERM, SIGUSR1] { handle(number, by: receive) }
    handle(SIGHUP, by: ignoresHangUp ? SIG_IGN : receive)
    handle(SIGQUIT, by: ignoresQuit ? SIG_IGN : end)
  }

  private static func handle(_ number: Int32, by handler: __sighandler_t?) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    // Calls that wait, such as a read from another program, go on waiting.
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Whether an end was asked for.
  static var isRequested: Bool {
    if hasBegun.load(ordering: .relaxed) { install() }
    return received.load(ordering: .relaxed) != 0 || isOverTime
  }

  /// Whether the time that the program may take is over.
  static var isOverTime: Bool {
    let end = deadline.load(ordering: .relaxed)
    return end != 0 && nanoseconds() >= end
  }

  /// The status of a program that a signal has ended: 130 of Ctrl-C, 143 of SIGTERM, 129 of SIGHUP; 75 where
  /// a batch system asked for it by SIGUSR1, or the time was over.
  static var exitCode: ExitCode {
    let signal = received.load(ordering: .relaxed)
    return ExitCode(signal == 0 || signal == SIGUSR1 ? again : 128 + signal)
  }
}
