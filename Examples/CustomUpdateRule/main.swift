// A custom update rule, trained over learning rates and seeds at several widths: does its best
// rate stay put when the parametrization scales it as one of Adam's family?
import GPUTrain

let compute = try Compute(device: .find(.best))
let data = try TrainingData(LoadedData(train: .glyphs(count: 2000)))
let (train, _) = try data.upload(to: compute)
let widths = [64, 128, 256]
let rates = (-12 ... -6).map { Double(sign: .plus, exponent: $0, significand: 1) }
let seeds: [UInt64] = [1, 2, 3]

func network(_ width: Int) -> MLP {
  MLP(inputs: 64, hidden: [width, width, width], outputs: 10, zeroReadout: true)
}

for parametrization in [StandardParametrization(), SpectralParametrization()]
  as [any Parametrization]
{
  var best: [Double] = []
  for width in widths {
    let configuration = TrainingConfiguration(
      network: network(width), baseNetwork: network(64))
    // Every rate with every seed, all in one batched computation.
    let replicas = rates.flatMap { rate in
      seeds.map { Replica(seed: $0, learningRate: rate, parametrization: parametrization) }
    }
    let trainer = try Trainer(
      configuration, replicas: replicas, totalSteps: 87, rule: Signum(), compute: compute)
    let losses = try (1...3).map { _ in try trainer.trainEpoch(on: train) }.last!
    let means = rates.indices.map { rate in
      seeds.indices.reduce(0) { $0 + losses.mean(replica: rate * seeds.count + $1) }
        / Double(seeds.count)
    }
    // A diverged seed makes the mean NaN, which is no minimum.
    let lowest = means.indices.filter { means[$0].isFinite }.min { means[$0] < means[$1] }!
    best.append(rates[lowest])
    print(
      "\(parametrization.name), width \(width): best rate 2^\(rates[lowest].exponent) "
        + "with loss \(means[lowest])")
  }
  let drift = ScalingExponent.slope(over: widths.map(Double.init), values: best)!
  print("\(parametrization.name): the best rate moves \(drift) octaves a doubling of width")
}
