import ArgumentParser
import Experiments
import Foundation

/// `gputrain sample`: text by a trained Transformer.
struct SampleCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Have a trained Transformer continue a text.",
    discussion: """
      The network is that of a checkpoint, of the newest in a run's directory, or of weights that \
      train --save wrote.

      Examples:
          gputrain train --network transformer --checkpoint-every 500 --out runs/tales
          gputrain sample runs/tales --prompt "Once" --temperature 0.8
          gputrain sample runs/tales --top-k 10 --seed 2
      """)

  @Argument(
    help: "A checkpoint, a directory with one, or saved weights.", completion: .file())
  var place: String

  @Option(help: ArgumentHelp("The text to continue.", valueName: "text"))
  var prompt = ""

  @Option(
    name: .customLong("tokens"), parsing: .unconditional,
    help: ArgumentHelp("Tokens to draw.", valueName: "count"))
  var count = 500

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What logits are divided by; 0 takes the likeliest token each time.", valueName: "number"))
  var temperature = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Draw among so many of the likeliest tokens. (default: all)", valueName: "k")
  )
  var topK: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Decides the draws.", valueName: "number"))
  var seed: UInt64 = 1

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let file, prompt, text: String
  }

  func validate() throws {
    try Limits.check("--tokens", count)
    if let topK { try Limits.check("--top-k", topK) }
    if !(temperature >= 0 && temperature.isFinite) {
      throw InvalidOption("--temperature must be 0 or above, got \(temperature)")
    }
  }

  func run() throws {
    let file = try CheckpointSearch.newest(at: URL(fileURLWithPath: place))
    let sampler = try TextSampler(path: file.relativePath, compute: computing.compute())
    var choice = TextSampler.Choice()
    (choice.temperature, choice.topK, choice.seed) = (temperature, topK, seed)
    guard !output.json else {
      let text = try sampler.text(after: prompt, tokens: count, choice)
      return Terminal.print(
        try jsonText(Output(file: file.relativePath, prompt: prompt, text: text)))
    }
    guard case .characters = sampler.vocabulary else {
      // A character may take several bytes, and numbers stand apart.
      let text = try sampler.text(after: prompt, tokens: count, choice)
      let gap = sampler.vocabulary == .bytes || prompt.isEmpty ? "" : " "
      return Terminal.print(prompt + gap + text)
    }
    Terminal.print(prompt, terminator: "")
    _ = try sampler.text(after: prompt, tokens: count, choice) {
      Terminal.print($0, terminator: "")
    }
    Terminal.print("")
  }
}
