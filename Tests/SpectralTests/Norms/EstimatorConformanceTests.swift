import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

/// Every estimator on every family and shape, two replicas each, all shapes in one call; those that run
/// on the device by both variants of the kernels.
@Suite(.serialized) struct EstimatorConformanceTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  /// One element, primes, a side of 1, and one off the sizes of vectors, blocks and work-groups.
  static let shapes: [(rows: Int, columns: Int)] = [
    (1, 1), (7, 13), (127, 131), (17, 1), (1, 17), (16, 16), (15, 17), (63, 129), (64, 128),
    (65, 127), (2, 700),
  ]

  /// Longer than a block or a chunk of a sum both ways; for one family, as their SVD takes its
  /// time.
  static let long: [(rows: Int, columns: Int)] = [(31, 4097), (4097, 31)]

  @Test func all_haveNamesOfTheirOwn() {
    let names = SpectralNormEstimators.all.map(\.name)
    #expect(names == ["power", "power-1", "lanczos", "bracket", "svd"])
    for estimator in SpectralNormEstimators.all {
      #expect(SpectralNormEstimators.named(estimator.name)?.name == estimator.name)
      #expect(!estimator.summary.isEmpty && !estimator.summary.contains("\n"))
    }
    #expect(SpectralNormEstimators.named("newton") == nil)
  }

  @Test(arguments: MatrixFamily.allCases, KernelVariant.allCases)
  func estimators_matchLAPACK(_ family: MatrixFamily, variant: KernelVariant) throws {
    let isOwn = variant == compute.kernelVariant
    let compute =
      isOwn
      ? compute
      : try Compute.idle(vectorWidth: variant == .group ? 4 : 16, kernelVariant: variant)
    let shapes = Self.shapes + (family == .gaussian || family == .zero ? Self.long : [])
    let values = shapes.enumerated().map { index, shape in
      family.make(shape.rows, shape.columns, seed: UInt64(2 * index))
        + family.make(shape.rows, shape.columns, seed: UInt64(2 * index + 1))
    }
    let tensors = try zip(shapes, values).map {
      try compute.tensor($1, replicas: 2, rows: $0.rows, columns: $0.columns)
    }
    let references = zip(shapes, values).map { shape, values in
      (0..<2).map { replica in
        let size = shape.rows * shape.columns
        let own = values[replica * size..<(replica + 1) * size]
        return (
          spectral: referenceSingularValues(Array(own), shape.rows, shape.columns)[0],
          frobenius: referenceFrobenius(own)
        )
      }
    }
    for estimator in SpectralNormEstimators.all where isOwn || estimator.name.hasPrefix("power") {
      let found = try estimator.estimate(tensors, compute: compute)
      try #require(found.map(\.count) == shapes.map { _ in 2 })
      for (shape, (found, reference)) in zip(shapes, zip(found, references)) {
        for (estimate, want) in zip(found, reference) {
          let place: Comment = "\(estimator.name) \(family.rawValue) \(shape)"
          let error = abs(estimate.norm - want.spectral)
          #expect(error <= estimator.accuracy * want.spectral, place)
          #expect(abs(estimate.frobeniusNorm - want.frobenius) <= 1e-5 * want.frobenius, place)
          #expect(estimate.relativeResidual >= 0 && estimate.relativeResidual <= 0.1, place)
          let rank = Double(min(shape.rows, shape.columns))
          #expect(
            estimate.stableRank <= rank * (1 + 3 * estimator.accuracy)
              && estimate.stableRank >= (want.spectral == 0 ? 0 : 1 - 3 * estimator.accuracy), place
          )
        }
      }
    }
  }

  /// A size that takes many blocks, chunks and steps; the reference is Lanczos's in Double, as the
  /// whole SVD takes seconds.
  @Test func power_isRightAt2048() throws {
    let tensor = try compute.normal(seeds: [5], std: [1], stream: 1, rows: 2048, columns: 2048)
    let want = try GolubKahanLanczos(tolerance: 1e-4).estimate([tensor], compute: compute)[0][0]
    let found = try spectralNorms(of: [tensor], compute: compute)[0][0]
    #expect(abs(found.norm - want.norm) <= 1e-3 * want.norm)
    #expect(abs(found.frobeniusNorm - want.frobeniusNorm) <= 1e-5 * want.frobeniusNorm)
  }

  /// Diverged weights are recorded as such: no number, no trap, no endless loop.
  @Test(arguments: [Float.nan, .infinity, -.infinity]) func estimators_keepWhatIsNotFinite(
    _ value: Float
  ) throws {
    var values = gaussianNumbers(40 * 50, seed: 3)
    values[777] = value
    let bad = try compute.tensor(values, rows: 40, columns: 50)
    let good = try compute.tensor(gaussianNumbers(40 * 50, seed: 3), rows: 40, columns: 50)
    for estimator in SpectralNormEstimators.all {
      let found = try estimator.estimate([bad, good], compute: compute)
      #expect(!found[0][0].norm.isFinite, "\(estimator.name)")
      #expect(!found[0][0].frobeniusNorm.isFinite, "\(estimator.name)")
      #expect(found[1][0].norm.isFinite, "\(estimator.name)")
    }
  }

  @Test func spectralNorms_areThoseOfThePowerIteration() throws {
    let values = gaussianNumbers(300 * 200, seed: 5)
    let found = try spectralNorms(
      of: [compute.tensor(values, rows: 300, columns: 200)], compute: compute)
    let want = referenceSingularValues(values, 300, 200)[0]
    #expect(abs(found[0][0].norm - want) <= 1e-3 * want)
  }

  @Test func conditionNumber_isTheQuotientOfTheOuterValues() throws {
    let values = MatrixFamily.decaying.make(40, 30, seed: 1)
    let found = try SingularValues.conditionNumbers(
      of: [
        compute.tensor(values, rows: 40, columns: 30),
        compute.tensor([2, 0, 0, 0], rows: 2, columns: 2),
      ], compute: compute)
    let reference = referenceSingularValues(values, 40, 30)
    #expect(abs(found[0][0] / (reference[0] / reference[29]) - 1) <= 1e-10)
    #expect(found[1][0] == .infinity)
  }
}
