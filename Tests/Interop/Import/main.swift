// A program of another package: one import, a network trained, a norm measured.
import GPUTrain

let compute = try Compute(device: .find(.best))
let data = try TrainingData(LoadedData(train: .glyphs(count: 500)))
let (train, validation) = try data.upload(to: compute)
let trainer = try Trainer(
  TrainingConfiguration(network: MLP(inputs: 64, hidden: [32, 32], outputs: 10)),
  replicas: [Replica(seed: 1, learningRate: 0.01, parametrization: StandardParametrization())],
  totalSteps: 40, compute: compute)
for _ in 1...5 { _ = try trainer.trainEpoch(on: train) }
let accuracy = try trainer.evaluate(on: validation)[0].accuracy ?? 0
let norm = try spectralNorms(of: [trainer.network.parameters[0].value], compute: compute)[0][0].norm
print("accuracy \(accuracy), ‖W‖* \(norm)")
precondition(accuracy > 0.2 && norm > 1, "the network has not learned")
