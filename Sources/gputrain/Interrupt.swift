import Dispatch
import Foundation
import Synchronization

/// Ctrl-C as a question that can be asked; a second one ends the program at once.
final class Interrupt {
  private final class Flag: Sendable {
    let requested = Atomic<Bool>(false)
  }

  private let flag = Flag()
  private let sources: [any DispatchSourceSignal]

  /// Takes over SIGINT and SIGTERM.
  init() {
    let flag = flag
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        if flag.requested.exchange(true, ordering: .relaxed) { _exit(130) }
      }
      source.resume()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }

  /// Whether an end was asked for.
  var isRequested: Bool { flag.requested.load(ordering: .relaxed) }
}
