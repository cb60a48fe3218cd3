import Spectral
import Testing
import Training

@testable import Experiments

/// Python for PyTorch's optimizers; Tests/Interop/check_pytorch.py runs it.
struct TorchScalesTests {
  private func scales(
    _ optimizer: OptimizerKind, readout: OptimizerKind? = nil, decay: WeightDecayKind? = .decoupled
  ) -> [TensorScale] {
    [
      TensorScale(
        parametrization: "mup", tensor: "layers.0.weight", fanIn: 64, fanOut: 256,
        optimizer: optimizer, initialStd: 0.125, learningRate: 0.01, epsilon: 1e-8,
        weightDecay: 0, multiplier: 1),
      TensorScale(
        parametrization: "mup", tensor: "layers.1.weight", fanIn: 128, fanOut: 10,
        optimizer: readout ?? optimizer, initialStd: 0, learningRate: 0.005, epsilon: 1e-8,
        weightDecay: 0.1, weightDecayKind: decay, multiplier: 0.5),
    ]
  }

  @Test func everyTensor_isNamed() throws {
    let adam = Adam(beta1: 0.8)
    let text = try TorchScales(scales(.adamw), rules: [adam, adam], title: "t").text
    #expect(
      text.contains("\"layers.0.weight\": dict(std=0.125, lr=0.01, eps=1e-08, weight_decay=0.0)"))
    #expect(text.contains("weight_decay=0.1),  # the product is multiplied by 0.5"))
    #expect(text.contains("return torch.optim.AdamW(parameter_groups(model), betas=(0.8, 0.999))"))
    let momentum = Momentum(0.7, nesterov: true)
    let nesterov = try TorchScales(
      scales(.nesterov, decay: .coupled), rules: [momentum, momentum], title: "t"
    ).text
    #expect(nesterov.contains("momentum=0.7, nesterov=True)") && !nesterov.contains("eps="))
  }

  /// Adam is AdamW where decay is beside its update; independent decay goes by no rate.
  @Test func decay_isWhatItIsHere() throws {
    func text(_ optimizer: OptimizerKind, _ kind: WeightDecayKind) throws -> String {
      try TorchScales(
        scales(optimizer, decay: kind), rules: [Adam(), Adam()], title: "t"
      ).text
    }
    #expect(try text(.adam, .coupled).contains("torch.optim.Adam("))
    let independent = try text(.adam, .independent)
    #expect(independent.contains("torch.optim.AdamW(") && independent.contains("weight_decay=20.0"))
    #expect {
      try TorchScales(
        scales(.sgd), rules: [SGD(), SGD()], title: "t")
    } throws: {
      "\($0)" == "layers.1.weight: PyTorch's SGD has no decoupled weight decay"
    }
  }

  /// η before PyTorch's factor √max(1, 256/64) = 2, and decay by that rate.
  @Test func muon_isWrittenBesideAdamW() throws {
    var tensors = scales(.muon, readout: .adamw)
    tensors[0] = TensorScale(
      parametrization: "mup", tensor: "layers.0.weight", fanIn: 64, fanOut: 256, optimizer: .muon,
      initialStd: 0.125, learningRate: 0.01, epsilon: 0, weightDecay: 0.1,
      weightDecayKind: .decoupled, multiplier: 1)
    let text = try TorchScales(
      tensors, rules: [Muon(0.9, Muon.Settings(steps: 6)), Adam()], title: "t"
    ).text
    #expect(
      text.contains("dict(std=0.125, optimizer=0, lr=0.005, weight_decay=0.2)"), "\(text)")
    #expect(text.contains("torch.optim.Muon(parameter_groups(model, 0), momentum=0.9, ns_steps=6)"))
    #expect(text.contains("torch.optim.AdamW(parameter_groups(model, 1), betas=(0.9, 0.999))"))
    #expect(text.contains("orthogonalises in bfloat16"))
  }

  @Test func gains_startAtTheirValue() throws {
    let gain = TensorScale(
      parametrization: "mup", tensor: "norm.weight", fanIn: 1, fanOut: 64, optimizer: .sgd,
      initialStd: 0, initialValue: 1, learningRate: 1, epsilon: 0, weightDecay: 0, multiplier: 1)
    let text = try TorchScales([gain], rules: [SGD()], title: "t").text
    #expect(text.contains("dict(fill=1.0, lr=1.0") && text.contains("parameter.fill_("))
  }

  @Test func rulesThatPyTorchLacks_areNamed() throws {
    #expect {
      try TorchScales(scales(.lion), rules: [Lion(), Lion()], title: "t")
    } throws: {
      "\($0)".hasPrefix("layers.0.weight: PyTorch has no lion; it has sgd")
    }
    #expect {
      try TorchScales(
        scales(.muon), rules: [Muon(heads: 4), Muon(heads: 4)], title: "t")
    } throws: {
      "\($0)".contains("not head by head")
    }
  }
}
