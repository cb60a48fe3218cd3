import Experiments
import Foundation
import Tensors

/// Shows a search's progress: a line that is rewritten on a terminal, else a line a gain.
final class TuneDisplay {
  private let name: String
  private var lastGain = 1.0

  /// The display of the search for one kernel's parameters.
  init(_ name: String) {
    self.name = name
  }

  /// Takes note of where the search stands.
  func show(_ progress: KernelTuner.Progress) {
    if Terminal.isInteractive {
      Terminal.rewrite(String(line(progress).prefix(Terminal.columns - 1)))
    } else if progress.gain > lastGain {
      lastGain = progress.gain
      Terminal.note(line(progress))
    }
  }

  /// Says what came of the search.
  func finish(_ outcome: KernelTuner.Outcome) {
    if Terminal.isInteractive { Terminal.rewrite("") }
    Terminal.note(
      line(outcome.progress) + (outcome.kernel == nil ? ", nothing faster found" : ""))
  }

  private func line(_ progress: KernelTuner.Progress) -> String {
    var parts = ["\(name): \(progress.tried) tried"]
    if progress.failed > 0 { parts.append("\(progress.failed) do not run") }
    if progress.wrong > 0 { parts.append("\(progress.wrong) wrong") }
    if progress.gain > 1 { parts.append("best \(Self.gain(progress.gain))") }
    return parts.joined(separator: ", ")
  }

  /// A tuning in words: one line for each kernel.
  static func text(_ tuning: DeviceTuning) -> String {
    let head = "\(tuning.key.device), driver \(tuning.key.driver), tuned \(tuning.day)"
    if tuning.kernels.isEmpty { return "\(head)\n  nothing faster than its own parameters" }
    func padded(_ text: String, _ width: Int) -> String {
      text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }
    let lines = tuning.kernels.flatMap { kernel in
      let values = kernel.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return [
        "  \(padded(kernel.family, 22)) \(padded(kernel.shapeClass, 6)) \(gain(kernel.gain))"
          + String(format: "  %.4g → %.4g ms", kernel.before, kernel.after),
        "    " + values.joined(separator: " "),
      ]
    }
    return ([head] + lines).joined(separator: "\n")
  }

  /// A gain as a factor with two decimals.
  static func gain(_ factor: Double) -> String { String(format: "%.2f×", factor) }
}
