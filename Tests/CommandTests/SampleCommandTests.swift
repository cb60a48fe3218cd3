import Foundation
import Testing

/// `gputrain sample` continues a text by what `train` has saved.
@Suite(.serialized, .runsPrograms) struct SampleCommandTests {
  @Test func savedWeights_andCheckpoints_continueAText() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let training = try CommandRunner.run(
        [
          "train", "--network", "transformer", "--width", "16", "--base-width", "16", "--context",
          "16", "--steps", "4", "--checkpoint-every", "2", "--save", "w.safetensors", "--out",
          "run",
        ], in: directory)
      #expect(training.status == 0, "\(training.errors)")
      let last = training.output.split(separator: "\n").last ?? ""
      #expect(
        last.contains(#/validation loss [0-9.]+, perplexity [0-9.]+, [0-9.]+ bits per byte, /#),
        "\(last)")
      func sample(_ arguments: [String]) throws -> CommandResult {
        try CommandRunner.run(["sample"] + arguments + ["--tokens", "40"], in: directory)
      }
      let first = try sample(["w.safetensors", "--prompt", "Once"])
      #expect(first.status == 0 && first.output.hasPrefix("Once"), "\(first.errors)")
      #expect(first.output.unicodeScalars.count == 4 + 40 + 1)
      // The same seed draws the same, from the run's last checkpoint too; another seed other tokens.
      #expect(try sample(["run", "--prompt", "Once"]).output == first.output)
      #expect(try sample(["run", "--prompt", "Once", "--seed", "2"]).output != first.output)
      let greedy = try (1...2).map {
        try sample(["run", "--temperature", "0", "--seed", "\($0)"]).output
      }
      #expect(greedy[0] == greedy[1])
      #expect(
        try sample(["run", "--top-k", "1"]).output == greedy[0], "the likeliest token each time")
      let foreign = try sample(["run", "--prompt", "Ünd"])
      #expect(foreign.status != 0 && foreign.errors.contains("not in the vocabulary"))
      let none = try sample(["missing.safetensors"])
      #expect(none.status != 0 && none.errors.contains("missing.safetensors"))
    }
  }

  @Test func networksOfRows_haveNoText() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let training = try CommandRunner.run(
        ["train", "--width", "8", "--steps", "2", "--save", "w.safetensors", "--out", "run"],
        in: directory)
      #expect(training.status == 0, "\(training.errors)")
      #expect(!training.output.contains("perplexity") && !training.output.contains("per byte"))
      let result = try CommandRunner.run(["sample", "w.safetensors"], in: directory)
      #expect(result.status != 0 && result.errors.contains("trained on a text"))
    }
  }
}
