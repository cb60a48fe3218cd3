// Trains a multilayer perceptron at two widths with one learning rate, on the best OpenCL device.
import GPUTrain

let compute = try Compute(device: .find(.best))
let data = try TrainingData(LoadedData(train: .glyphs(count: 2000)))
let (train, validation) = try data.upload(to: compute)

for width in [64, 256] {
  func network(_ width: Int) -> MLP {
    MLP(inputs: 64, hidden: [width, width], outputs: 10, zeroReadout: true)
  }
  let configuration = TrainingConfiguration(
    network: network(width), baseNetwork: network(64))
  let replica = Replica(
    seed: 1, learningRate: 1.0 / 128, parametrization: SpectralParametrization())
  let trainer = try Trainer(configuration, replicas: [replica], totalSteps: 145, compute: compute)
  for epoch in 1...5 {
    print(
      "width \(width), epoch \(epoch): loss \(try trainer.trainEpoch(on: train).mean(replica: 0))")
  }
  if let validation {
    print("validation loss \(try trainer.evaluate(on: validation)[0].loss)")
  }
}
