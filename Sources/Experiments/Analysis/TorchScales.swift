import Foundation
import Spectral
import Training

/// Scales as Python to paste: initial values and parameter groups for PyTorch.
///
/// Rates and decay are the same there: η where PyTorch multiplies it by a factor of its own, and λ where decay goes
/// by another rate. Muon's direction is another: by Jordan's coefficients at every step, in bfloat16.
public struct TorchScales {
  private let title: String
  private let tensors: [(scale: TensorScale, optimizer: TorchOptimizer)]

  /// - scales: of one parametrization. rules: each tensor's, with the hyperparameters in use. title: what
  ///   they are of, in one line.
  /// - Throws: `TorchScalesError` for what PyTorch's optimizers do not do.
  public init(_ scales: [TensorScale], rules: [any UpdateRule], title: String) throws {
    self.title = title
    tensors = try zip(scales, rules).map { scale, rule in
      let optimizer = try TorchOptimizer(rule, of: scale)
      if let kind = scale.weightDecayKind,
        (kind == .coupled) == optimizer.decouplesDecay
      {
        throw TorchScalesError(
          "\(scale.tensor): PyTorch's \(optimizer.name) has no \(kind.rawValue) weight decay")
      }
      return (scale, optimizer)
    }
  }

  /// The text; ends in a newline.
  public var text: String {
    let optimizers = tensors.map(\.optimizer).uniqued()
    let width = tensors.map(\.scale.tensor.count).max() ?? 0
    let lines = tensors.map { scale, optimizer -> String in
      var fields = scale.initialValue.map { ["fill=\($0)"] } ?? ["std=\(scale.initialStd)"]
      if optimizers.count > 1 {
        fields.append("optimizer=\(optimizers.firstIndex(of: optimizer)!)")
      }
      fields += optimizer.fields(of: scale)
      let name = "\"\(scale.tensor)\":".padding(toLength: width + 3, withPad: " ", startingAt: 0)
      let notes =
        (scale.multiplier == 1 ? [] : ["the product is multiplied by \(scale.multiplier)"])
        + [scale.blockInWords].compactMap { $0 }
        + (scale.heldNorm.map { ["hold its spectral norm \($0) after each step"] } ?? [])
      let note = notes.isEmpty ? "" : "  # \(notes.joined(separator: "; "))"
      return "    \(name) dict(\(fields.joined(separator: ", "))),\(note)"
    }
    let start =
      tensors.contains { $0.scale.initialValue != nil }
      ? """
                  if "fill" in scales[name]:
                      parameter.fill_(scales[name]["fill"])
                  else:
                      parameter.normal_(0, scales[name]["std"])
      """
      : """
                  parameter.normal_(0, scales[name]["std"])
      """
    let remark =
      optimizers.contains { $0.name == "Muon" }
      ? "\n# Muon's lr is before PyTorch's own factor √max(1, rows/columns). It orthogonalises in bfloat16\n"
        + "# by Jordan's coefficients: its singular values lie further from 1 than gputrain's."
      : ""
    return """
      # \(title)
      # Names are those of gputrain: write your model's in their place.\(remark)
      import torch

      scales = {
      \(lines.joined(separator: "\n"))
      }


      def initialize(model):
          with torch.no_grad():
              for name, parameter in model.named_parameters():
      \(start)


      \(Self.groups(optimizers))

      """
  }

  /// The functions that make parameter groups, and the optimizers of them.
  private static func groups(_ optimizers: [TorchOptimizer]) -> String {
    let isOne = optimizers.count == 1
    let calls = optimizers.enumerated().map { place, optimizer in
      "torch.optim.\(optimizer.name)(parameter_groups(model\(isOne ? "" : ", \(place)"))"
        + "\(optimizer.arguments))"
    }
    let chosen =
      isOne ? "" : "\n        if scales[name][\"optimizer\"] != place:\n            continue"
    let made =
      isOne
      ? "def optimizer(model):\n    return \(calls[0])"
      : "def optimizers(model):\n    return [\n"
        + calls.map { "        \($0),\n" }.joined() + "    ]"
    return """
      def parameter_groups(model\(isOne ? "" : ", place")):
          groups = []
          for name, parameter in model.named_parameters():\(chosen)
              group = dict(scales[name], params=[parameter])
              for key in ("std", "fill", "optimizer"):
                  group.pop(key, None)
              groups.append(group)
          return groups


      \(made)
      """
  }
}

/// One of PyTorch's optimizers with its numbers.
private struct TorchOptimizer: Hashable {
  /// `AdamW`.
  let name: String
  /// `, betas=(0.9, 0.999)`.
  let arguments: String
  let takesEpsilon: Bool
  /// Whether decay is beside the update.
  let decouplesDecay: Bool
}

extension TorchOptimizer {
  /// The optimizer that has the rule of a tensor.
  init(_ rule: any UpdateRule, of scale: TensorScale) throws {
    switch rule {
    case is SGD:
      self.init(name: "SGD", arguments: "", takesEpsilon: false, decouplesDecay: false)
    case let rule as Momentum:
      self.init(
        name: "SGD",
        arguments: ", momentum=\(rule.momentum)" + (rule.nesterov ? ", nesterov=True" : ""),
        takesEpsilon: false, decouplesDecay: false)
    case let rule as Adam:
      let decouples =
        scale.weightDecayKind.map { $0 != .coupled }
        ?? (scale.optimizer.defaultWeightDecayKind != .coupled)
      self.init(
        name: decouples ? "AdamW" : "Adam", arguments: ", betas=(\(rule.beta1), \(rule.beta2))",
        takesEpsilon: true, decouplesDecay: decouples)
    case let rule as Muon where rule.heads == 1:
      self.init(
        name: "Muon",
        arguments: ", momentum=\(rule.momentum)"
          + (rule.settings.nesterov ? "" : ", nesterov=False")
          + (rule.settings.steps == 5 ? "" : ", ns_steps=\(rule.settings.steps)"),
        takesEpsilon: false, decouplesDecay: true)
    case is Muon:
      throw TorchScalesError(
        "\(scale.tensor): PyTorch's Muon takes a matrix whole, not head by head")
    default:
      throw TorchScalesError(
        "\(scale.tensor): PyTorch has no \(scale.optimizer.rawValue); it has sgd, momentum, nesterov, "
          + "adam, adamw and muon")
    }
  }

  /// A parameter group's numbers.
  func fields(of scale: TensorScale) -> [String] {
    // PyTorch's Muon decays by the rate without its factor.
    let factor =
      name == "Muon" ? MuonScale.jordan.factor(fanOut: scale.fanOut, fanIn: scale.fanIn) : 1
    let rate = scale.learningRate / factor
    // Independent decay takes λ a step, whatever the rate.
    let decay =
      scale.weightDecayKind == .independent
      ? (rate == 0 ? 0 : scale.weightDecay / rate) : scale.weightDecay * factor
    return ["lr=\(rate)"] + (takesEpsilon ? ["eps=\(scale.epsilon)"] : [])
      + ["weight_decay=\(decay)"]
  }
}

/// Why scales cannot be written for PyTorch's optimizers.
public struct TorchScalesError: Error, CustomStringConvertible {
  /// One line: the tensor, and what PyTorch lacks.
  public let description: String

  init(_ description: String) { self.description = description }
}
