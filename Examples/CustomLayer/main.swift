// A layer of one's own: its gradient is checked, then a network that has it after every hidden layer
// is trained at several widths, to see whether hidden weights move as the spectral condition needs.
import GPUTrain

let compute = try Compute(device: .find(.best))
print("gradient: off by at most \(try gradientDeviation(compute: compute)) of its greatest entry")

let data = try TrainingData(LoadedData(train: .glyphs()))
let (train, _) = try data.upload(to: compute)
let widths = [64, 128, 256, 512]

func shape(_ width: Int) -> MLPShape {
  MLPShape(inputs: 64, hidden: [width, width, width], outputs: 10)
}

for parametrization in [StandardParametrization(), SpectralParametrization()]
  as [any Parametrization]
{
  var moved: [Double] = []
  for width in widths {
    let configuration = TrainingConfiguration(
      network: NetworkConfiguration(shape(width), zeroReadout: true), baseShape: shape(64))
    let replica = Replica(seed: 1, learningRate: 1.0 / 512, parametrization: parametrization)
    let trainer = try Trainer(
      configuration, replicas: [replica], totalSteps: 29,
      layers: { dense in
        dense.dropLast().flatMap { [$0, RMSNorm()] as [any Layer] } + [dense.last!]
      },
      compute: compute)

    // ‖W − W₀‖* of a hidden weight, [width, width], whose target √(fan-out/fan-in) is 1.
    let hidden = trainer.network.parameters[1]
    let start = try compute.copy(hidden.value)
    let loss = try trainer.trainEpoch(on: train).mean(replica: 0)
    let change = try compute.difference(hidden.value, start)
    let norm = try spectralNorms(of: [change], compute: compute)[0][0].norm
    moved.append(norm)
    print("\(parametrization.name), width \(width): loss \(loss), ‖W − W₀‖* \(norm)")
  }
  let exponent = ScalingExponent.slope(widths: widths.map(Double.init), values: moved)!
  print("\(parametrization.name): ‖W − W₀‖* grows as width^\(exponent); the condition needs 0")
}
