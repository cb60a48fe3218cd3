// A custom operation with parameters of its own: its gradients are checked, then a network that has it
// before every hidden layer is trained at several widths, to see whether hidden weights move as the
// spectral condition needs.
import GPUTrain

let compute = try Compute(device: .find(.best))
print("gradients: off by at most \(try gradientDeviation(compute: compute)) of the greatest entry")

/// Residual blocks x ← x + up(DynamicTanh(x)).
struct TanhNetwork: Architecture {
  let width: Int
  var inputs: Int { 64 }

  func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    var x = g.linear(input, "readin", .growing(width))
    for block in 0..<2 {
      let normalized = g.apply(DynamicTanh(), [x], module: "blocks.\(block).tanh")
      let up = g.linear(normalized, "blocks.\(block).up", .growing(width))
      x = g.add(x, g.activation(up, .relu))
    }
    return g.linear(x, "readout", .fixed(10), initialFactor: 0)
  }
}

let data = try TrainingData(LoadedData(train: .glyphs(count: 2000)))
let (train, _) = try data.upload(to: compute)
let widths = [64, 128, 256, 512]

for parametrization in [StandardParametrization(), SpectralParametrization()]
  as [any Parametrization]
{
  var moved: [Double] = []
  for width in widths {
    let configuration = TrainingConfiguration(
      network: TanhNetwork(width: width), baseNetwork: TanhNetwork(width: 64))
    let replica = Replica(seed: 1, learningRate: 1.0 / 512, parametrization: parametrization)
    let trainer = try Trainer(
      configuration, replicas: [replica], totalSteps: 29, compute: compute)

    // ‖W − W₀‖* of a hidden weight, [width, width], whose target √(fan-out/fan-in) is 1.
    let hidden = trainer.network.parameter("blocks.1.up.weight")!
    let start = try compute.copy(hidden.value)
    let loss = try trainer.trainEpoch(on: train).mean(replica: 0)
    let change = try compute.difference(hidden.value, start)
    let norm = try spectralNorms(of: [change], compute: compute)[0][0].norm
    moved.append(norm)
    print("\(parametrization.name), width \(width): loss \(loss), ‖W − W₀‖* \(norm)")
  }
  let exponent = ScalingExponent.slope(over: widths.map(Double.init), values: moved)!
  print("\(parametrization.name): ‖W − W₀‖* grows as width^\(exponent); the condition needs 0")
}
