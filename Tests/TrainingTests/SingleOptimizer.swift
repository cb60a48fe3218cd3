import Networks
import Spectral
import Tensors

@testable import Training

extension Optimizer {
  /// An optimizer of one replica of `network` at the very rate given.
  convenience init(
    _ optimization: Optimization, of network: Network, learningRate: Double, totalSteps: Int
  ) throws {
    try self.init(
      parameters: network.parameters,
      settings: network.graph.parameters.map { [optimization.settings(for: $0)] },
      learningRates: [learningRate],
      scalings: network.parameters.map { _ in
        [WidthScaling(initialStd: 1, learningRateFactor: 1)]
      }, totalSteps: totalSteps, compute: network.compute)
  }
}
