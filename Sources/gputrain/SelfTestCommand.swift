import ArgumentParser
import Experiments
import Foundation

/// `gputrain selftest`: does this device compute what it should?
struct SelfTestCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "selftest",
    abstract: "Compare products, norms and a training step on the device with the host's.",
    discussion: "The exit status is 1 where one of them is wrong.")

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var output: OutputOptions

  private struct Outcome: Encodable {
    let device, gemm, precision: String
    let passes: Bool
    let items: [SelfTest.Item]
  }

  func run() throws {
    let compute = try computing.compute(fallsBack: false)
    let items = SelfTest(compute: compute).run()
    let outcome = Outcome(
      device: compute.queue.device.name, gemm: compute.backend.name,
      precision: compute.backend.precision.rawValue, passes: items.allSatisfy(\.passes),
      items: items)
    Terminal.print(output.json ? try jsonText(outcome) : Self.text(outcome))
    if !outcome.passes { throw ExitCode.failure }
  }

  private static func text(_ outcome: Outcome) -> String {
    let lines = outcome.items.map { item in
      let error = item.error.map { String(format: "%.1e", $0) } ?? "none"
      return (item.passes ? "pass  " : "FAIL  ")
        + item.name.padding(toLength: 36, withPad: " ", startingAt: 0)
        + "error \(error.padding(toLength: 8, withPad: " ", startingAt: 0)) at most "
        + String(format: "%.1e", item.bound) + (item.failure.map { "\n      \($0)" } ?? "")
    }
    let failed = outcome.items.count { !$0.passes }
    return
      (["\(outcome.device), products by \(outcome.gemm), \(outcome.precision)"] + lines + [
        failed == 0
          ? "all \(outcome.items.count) pass" : "\(failed) of \(outcome.items.count) fail"
      ]).joined(separator: "\n")
  }
}
