import Foundation

/// An option of a command with its value, as a command line or a file gives it.
struct OptionEntry {
  /// What an option's value is.
  enum Value: Equatable {
    /// Text, a number, a list with commas; nil where there is none.
    case text(String?)
    /// Whether a flag is set; nil where it is left to the command.
    case flag(Bool?)
    /// Several values, each with the option's name before it.
    case repeated([String])
  }

  /// The long name, without dashes.
  let name: String
  let value: Value

  init(_ name: String, _ value: Value) {
    (self.name, self.value) = (name, value)
  }

  init(_ name: String, _ value: String?) {
    (self.name, self.value) = (name, .text(value))
  }

  init(_ name: String, _ value: some CustomStringConvertible) {
    (self.name, self.value) = (name, .text("\(value)"))
  }

  init(_ name: String, flag: Bool?) {
    (self.name, self.value) = (name, .flag(flag))
  }

  init(_ name: String, repeated: [String]) {
    (self.name, self.value) = (name, .repeated(repeated))
  }

  /// Whether there is no value.
  var isEmpty: Bool { arguments.isEmpty }

  /// The option as a command line has it; empty where it has no value.
  var arguments: [String] {
    switch value {
    case .text(nil), .flag(nil): []
    case .text(let text?): ["--\(name)=\(text)"]
    case .flag(true?): ["--\(name)"]
    case .flag(false?): ["--no-\(name)"]
    case .repeated(let values): values.map { "--\(name)=\($0)" }
    }
  }

  /// `stored` and then `given`, of which the later count; a length in `given` replaces the stored
  /// one, be it in epochs or steps.
  static func merged(_ stored: [String], _ given: [String]) -> [String] {
    let lengths = ["--epochs", "--steps"]
    func isLength(_ argument: String) -> Bool {
      lengths.contains { argument == $0 || argument.hasPrefix($0 + "=") }
    }
    return (given.contains(where: isLength) ? stored.filter { !isLength($0) } : stored) + given
  }
}

extension ModelOptions {
  /// Every option with its value.
  var entries: [OptionEntry] {
    [
      OptionEntry("data", data), OptionEntry("normalization", normalization.rawValue),
      OptionEntry("validation-fraction", validationFraction),
      OptionEntry("network", network.rawValue),
      OptionEntry("depth", depth.map(String.init)), OptionEntry("norm", norm?.rawValue),
      OptionEntry("expansion", expansion.map(String.init)),
      OptionEntry("branch-multiplier", branchMultiplier.map { "\($0)" }),
      OptionEntry("base-depth", baseDepth.map(String.init)),
      OptionEntry("depth-exponent", depthExponent.map { "\($0)" }),
      OptionEntry("hidden-pattern", hiddenPattern),
      OptionEntry("batch-size", batchSize), OptionEntry("base-width", baseWidth),
      OptionEntry("absolute", flag: absolute),
      OptionEntry("input-multiplier", inputMultiplier),
      OptionEntry("output-multiplier", outputMultiplier),
      OptionEntry("zero-readout", flag: zeroReadout),
      OptionEntry("spectral-init", flag: spectralInit), OptionEntry("bias", flag: bias),
      OptionEntry("activation", activation.rawValue), OptionEntry("loss", loss.rawValue),
      OptionEntry("rate-rule", repeated: rateRules.map(\.text)),
      OptionEntry("lr-multiplier", repeated: rateMultipliers.map(\.text)),
      OptionEntry("parametrization-file", repeated: parametrizationFiles),
      OptionEntry("device", computing.on.device.isEmpty ? nil : computing.on.device),
      OptionEntry("gemm", computing.gemm.rawValue),
      OptionEntry("precision", computing.precision.rawValue),
      OptionEntry("memory", memory.map { "\($0.bytes)" }),
    ]
  }
}

extension RunOptions {
  /// Every option with its value but where results go and how they are printed.
  var entries: [OptionEntry] {
    model.entries + [
      OptionEntry("epochs", epochs.map(String.init)), OptionEntry("steps", steps.map(String.init)),
      OptionEntry("schedule", schedule.text), OptionEntry("weight-decay", weightDecay.text),
      OptionEntry("diagnose", diagnose?.plan.text),
      OptionEntry("tensorboard", flag: tensorboard),
    ]
  }
}
