import ArgumentParser
import Experiments
import Foundation

/// `gputrain selftest`: does this device compute what it should?
struct SelfTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "selftest",
    abstract: "Compare products, norms and a training step on the device with the host's.",
    discussion: "The exit status is 1 where one of them is wrong.")

  @OptionGroup var computing: ComputeOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  private struct Output: Encodable {
    let device, gemm, precision: String
    let passes: Bool
    let items: [SelfTest.Item]
  }

  func run() throws {
    let compute = try computing.compute()
    let items = SelfTest(compute: compute).run()
    let output = Output(
      device: compute.queue.device.name, gemm: compute.multiplier.name,
      precision: compute.multiplier.precision.rawValue, passes: items.allSatisfy(\.passes),
      items: items)
    print(json ? try jsonText(output) : Self.text(output))
    if !output.passes { throw ExitCode.failure }
  }

  private static func text(_ output: Output) -> String {
    let lines = output.items.map { item in
      let error = item.error.map { String(format: "%.1e", $0) } ?? "none"
      return (item.passes ? "pass  " : "FAIL  ")
        + item.name.padding(toLength: 36, withPad: " ", startingAt: 0)
        + "error \(error.padding(toLength: 8, withPad: " ", startingAt: 0)) at most "
        + String(format: "%.1e", item.bound) + (item.failure.map { "\n      \($0)" } ?? "")
    }
    let failed = output.items.count { !$0.passes }
    return
      (["\(output.device), products by \(output.gemm), \(output.precision)"] + lines + [
        failed == 0
          ? "all \(output.items.count) pass" : "\(failed) of \(output.items.count) fail"
      ]).joined(separator: "\n")
  }
}
