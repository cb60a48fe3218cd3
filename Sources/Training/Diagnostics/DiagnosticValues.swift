import Networks

/// Quantities of one layer from the raw numbers of its record.
struct DiagnosticValues {
  let raw: [RawQuantity: [Double]]
  let weight: Parameter
  /// Rows of the probe batch.
  let rows: Int

  /// What the raw numbers allow.
  var quantities: [DiagnosticQuantity: [Double]] {
    let shape = self.weight.shape
    let (fanIn, fanOut) = (Double(shape.fanIn), Double(shape.fanOut))
    let target = (fanOut / fanIn).squareRoot()
    let units = Double(rows) * fanOut
    var result: [DiagnosticQuantity: [Double]] = [:]
    func put(_ quantity: DiagnosticQuantity, _ values: [Double]?) {
      if let values { result[quantity] = values }
    }
    func both(_ a: [Double]?, _ b: [Double]?, _ combine: (Double, Double) -> Double) -> [Double]? {
      guard let a, let b else { return nil }
      return zip(a, b).map(combine)
    }
    func rootMean(_ sums: [Double]?) -> [Double]? { sums?.map { ($0 / units).squareRoot() } }
    func stableRank(_ frobenius: [Double]?, _ spectral: [Double]?) -> [Double]? {
      both(frobenius, spectral) { $0 * $0 / ($1 * $1) }
    }
    /// ‖M H‖_F/(‖M‖_*‖H‖_F) from the squares of the product and of H.
    func alignment(_ product: [Double]?, _ norm: [Double]?) -> [Double]? {
      let gains = both(product, raw[.input]) { ($0 / $1).squareRoot() }
      return both(gains, norm) { $0 / $1 }
    }
    let weight = raw[.weightSpectral]
    put(.spectralNorm, weight)
    put(.spectralNormResidual, raw[.weightResidual])
    put(.weightNorm, weight?.map { $0 / target })
    put(.frobeniusNorm, raw[.weightFrobenius])
    let gradient = raw[.gradientSpectral]
    put(.gradientSpectralNorm, gradient)
    put(.gradientStableRank, stableRank(raw[.gradientFrobenius], gradient))
    // Under plain gradient descent ΔW is the gradient times the rate.
    let rate = raw[.learningRate]
    let update = raw[.updateSpectral] ?? both(gradient, rate, *)
    let updateFrobenius = raw[.updateFrobenius] ?? both(raw[.gradientFrobenius], rate, *)
    put(.updateSpectralNorm, update)
    put(.updateSpectralNormResidual, raw[.updateResidual])
    put(.updateNorm, update?.map { $0 / target })
    put(.updateFrobeniusNorm, updateFrobenius)
    put(.updateStableRank, stableRank(updateFrobenius, update))
    put(
      .updateAlignment,
      raw[.updateProduct].map { alignment($0, update) }
        ?? alignment(raw[.gradientProduct], gradient))
    put(.totalUpdateSpectralNorm, raw[.totalSpectral])
    put(.totalUpdateNorm, raw[.totalSpectral]?.map { $0 / target })
    put(.totalUpdateFrobeniusNorm, raw[.totalFrobenius])
    put(.featureSize, rootMean(raw[.features]))
    put(.featureMeanAbsolute, raw[.featureAbsolutes]?.map { $0 / units })
    put(.featureChange, rootMean(raw[.featureChanges]))
    let multiplier = Double(self.weight.multiplier)
    put(.alignment, alignment(raw[.product], weight)?.map { $0 / multiplier })
    put(.epsilonDominance, raw[.smallSquares]?.map { $0 / (fanIn * fanOut) })
    put(.initialStd, raw[.initialStd])
    put(.learningRate, rate)
    return result
  }
}
