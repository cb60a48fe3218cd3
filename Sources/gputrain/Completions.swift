import ArgumentParser
import Foundation
import Spectral
import Training

/// What shells offer for values that are known before anything is run.
enum Completions {
  /// Optimizers, several with commas.
  static let optimizers = CompletionKind.custom { _, _, prefix in
    list(OptimizerKind.allCases.map(\.rawValue), after: prefix)
  }

  /// Parametrizations, several with commas, those of files on the command line among them.
  static let parametrizations = CompletionKind.custom { words, _, prefix in
    list(Parametrizations.all.map(\.name) + own(words), after: prefix)
  }

  /// One parametrization.
  static let parametrization = CompletionKind.custom { words, _, _ in
    Parametrizations.all.map(\.name) + own(words)
  }

  /// Shapes of a schedule.
  static let schedules = CompletionKind.list(["constant", "warmup", "cosine", "linear", "wsd"])

  /// Kinds of device; an index or a name is as good.
  static let devices = CompletionKind.list(["gpu", "cpu"])

  /// Sweep files and parametrizations.
  static let yaml = CompletionKind.file(extensions: ["yaml", "yml"])

  /// Files of weights; a directory may hold several.
  static let weights = CompletionKind.file(extensions: [
    "safetensors", "pt", "pth", "bin", "npz", "npy", "json",
  ])

  /// `prefix` up to its last comma with each of `names` that is not in it yet.
  static func list(_ names: [String], after prefix: String) -> [String] {
    let parts = prefix.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let given = parts.dropLast()
    let start = given.map { $0 + "," }.joined()
    return names.filter { !given.contains($0) }.map { start + $0 }
  }

  /// Names that the files of `--parametrization-file` define, as far as they read.
  private static func own(_ words: [String]) -> [String] {
    let option = "--parametrization-file"
    let files = words.enumerated().compactMap { index, word -> String? in
      if word.hasPrefix(option + "=") { return String(word.dropFirst(option.count + 1)) }
      return word == option && index + 1 < words.count ? words[index + 1] : nil
    }
    return files.flatMap { (try? ParametrizationFile.read([$0]).map(\.name)) ?? [] }
  }
}
