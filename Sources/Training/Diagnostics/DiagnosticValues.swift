import Networks
import Tensors

/// Quantities of one layer from the raw numbers of its record.
struct DiagnosticValues {
  let raw: [RawQuantity: [Double]]
  /// [quantity]: a value for each head of each replica, [replica·heads]; of a direction, for each of the heads
  /// that it is made by.
  let rawOfHeads: [RawQuantity: [Double]]
  let layer: Diagnostics.Layer
  /// Rows of the probe batch.
  let rows: Int
  let replicas: Int

  /// What the raw numbers allow.
  var quantities: [DiagnosticQuantity: [Double]] {
    let fanOut = Double(layer.columns)
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
    let multiplier = Double(layer.weight?.multiplier ?? 1)
    put(.alignment, alignment(raw[.product], weight)?.map { $0 / multiplier })
    // Of a frozen replica ΔW is NaN, and the direction 0.
    func whereUpdated(_ values: [Double]?) -> [Double]? {
      both(values, updateFrobenius) { $1.isNaN ? .nan : $0 }
    }
    let largest = whereUpdated(overHeads(.directionSquare) { $0.reduce(0) { max($0, $1) } })
    // Rounding may take it below 0.
    let smallest = whereUpdated(
      overHeads(smallestSquares) { $0.reduce(.infinity) { min($0, $1) } }
    )?.map { $0 < 0 ? 0 : $0 }
    put(.directionSpectralNorm, largest?.map { $0.squareRoot() })
    put(.directionSmallestSingularValue, smallest?.map { $0.squareRoot() })
    put(.orthogonalityDefect, both(largest, smallest) { $0.isNaN ? $0 : max($0 - 1, 1 - $1) })
    put(
      .momentumStableRank,
      whereUpdated(stableRank(raw[.momentumFrobenius], raw[.momentumSpectral])))
    let signs = whereUpdated(raw[.signs]?.map { $0 / entries })
    put(.signShare, both(signs, rate) { $1 == 0 ? .nan : $0 })
    put(.epsilonDominance, raw[.smallSquares]?.map { $0 / entries })
    put(.attentionLogit, overHeads(.largestLogit) { $0.reduce(0) { max($0, $1) } })
    put(.attentionEntropy, overHeads(.entropy) { $0.reduce(0, +) / fanOut })
    put(.initialStd, raw[.initialStd])
    put(.learningRate, rate)
    return result
  }

  /// Of each head what the raw numbers allow.
  var heads: [[DiagnosticQuantity: [Double]]] {
    let found: [(DiagnosticQuantity, [Double])] = [
      (.attentionLogit, rawOfHeads[.largestLogit]), (.attentionEntropy, rawOfHeads[.entropy]),
      (.spectralNorm, rawOfHeads[.weightSquare]?.map { $0.squareRoot() }),
    ].compactMap { quantity, values in values.map { (quantity, $0) } }
    guard let heads = layer.heads, !found.isEmpty else { return [] }
    return (0..<heads).map { head in
      Dictionary(
        uniqueKeysWithValues: found.map { quantity, values in
          (quantity, stride(from: head, to: values.count, by: heads).map { values[$0] })
        })
    }
  }

  /// A number of each replica from those of its heads; NaN where one of them is.
  private func overHeads(
    _ quantity: RawQuantity, _ combine: (ArraySlice<Double>) -> Double
  ) -> [Double]? {
    overHeads(rawOfHeads[quantity], combine)
  }

  private func overHeads(
    _ values: [Double]?, _ combine: (ArraySlice<Double>) -> Double
  ) -> [Double]? {
    guard let values else { return nil }
    let heads = values.count / replicas
    return stride(from: 0, to: values.count, by: heads).map { first in
      let own = values[first..<first + heads]
      return own.contains(where: \.isNaN) ? .nan : combine(own)
    }
  }

  /// σ_min² of each head's direction.
  private var smallestSquares: [Double]? {
    guard let squares = rawOfHeads[.directionSquare], let gaps = rawOfHeads[.directionGap] else {
      return nil
    }
    return zip(squares, gaps).map { $0 - $1 }
  }

  /// Inputs of the layer as a matrix: 1 of a table, whose input is one-hot, and of attention.
  private var fanIn: Double {
    layer.observation == .matrix ? Double(layer.weight!.value.columns) : 1
  }

  /// Entries of the weight.
  private var entries: Double { Double(layer.weight?.value.stride ?? 1) }
}

/// Numbers that diagnostics take of a layer on the device, before any quotient is formed.
enum RawQuantity: Hashable {
  case weightSpectral, weightFrobenius
  case updateSpectral, updateFrobenius
  case weightResidual, updateResidual
  case totalSpectral, totalFrobenius
  case gradientSpectral, gradientFrobenius
  /// Sums of squares over the probe batch: of a layer's input, of W times it, of ΔW times it, of
  /// ∇ times it, of the output, of the output's change.
  case input, product, updateProduct, gradientProduct, features, featureChanges
  /// Σ |h|.
  case featureAbsolutes
  /// Of a head of attention: the largest logit, the mean entropy.
  case largestLogit, entropy
  /// Of a head of queries or keys: ‖W‖_*² of its rows of W.
  case weightSquare
  /// Entries with √v̂ ≤ 10 ε.
  case smallSquares
  /// Of each head that a direction is made by: the largest eigenvalue of its smaller Gram matrix, and how far the
  /// smallest is below it.
  case directionSquare, directionGap
  case momentumSpectral, momentumFrobenius
  /// Entries of a direction of signs that are not 0.
  case signs
  case learningRate, initialStd
}

/// Collects numbers of each replica on the device and reads them rarely.
final class DiagnosticReading {
  struct Record {
    let step: Int
    /// [layer][quantity]: a value for each replica.
    var layers: [Int: [RawQuantity: [Double]]] = [:]
    /// Likewise for each head of each replica, [replica·heads].
    var heads: [Int: [RawQuantity: [Double]]] = [:]
  }

  private struct Place {
    let record, layer: Int
    let quantity: RawQuantity
    let isOfHeads: Bool
  }

  /// Room for numbers in device memory, and what waits there.
  private struct Room {
    let history: SumHistory
    var waiting: [Place] = []
    var isFull: Bool { waiting.count == history.capacity }
  }

  /// Numbers of a replica in device memory before a read; a read waits for the device.
  private static let capacity = 4096
  /// By how many numbers a replica has at once.
  private var rooms: [Int: Room]
  private var done: [Record] = []

  /// - heads: the numbers of heads that layers have.
  init(replicas: Int, heads: Set<Int>, compute: Compute) throws {
    rooms = try Dictionary(
      uniqueKeysWithValues: heads.union([1]).map { count in
        let history = try SumHistory(
          capacity: max(1, Self.capacity / count), replicas: replicas * count, compute: compute)
        return (count, Room(history: history))
      })
  }

  func begin(step: Int) {
    done.append(Record(step: step))
  }

  /// Notes Σ over `sums` [replica, 1, n] of each replica, or [replica·heads, 1, n] of each of its heads.
  func note(
    _ quantity: RawQuantity, _ layer: Int, _ sums: Tensor, heads: Int? = nil
  ) throws {
    let count = heads ?? 1
    if rooms[count]!.isFull { try read(count) }
    let room = rooms[count]!
    try room.history.record(sums, slot: room.waiting.count)
    rooms[count]!.waiting.append(
      Place(record: done.count - 1, layer: layer, quantity: quantity, isOfHeads: heads != nil))
  }

  /// Notes what the host knows.
  func note(_ quantity: RawQuantity, _ layer: Int, _ values: [Double]) {
    done[done.count - 1].layers[layer, default: [:]][quantity] = values
  }

  /// Every record begun so far.
  func records() throws -> [Record] {
    for count in rooms.keys { try read(count) }
    return done
  }

  private func read(_ count: Int) throws {
    let room = rooms[count]!
    guard !room.waiting.isEmpty else { return }
    let values = try room.history.read(slots: room.waiting.count)
    for (place, values) in zip(room.waiting, values) {
      let values = values.map(Double.init)
      if place.isOfHeads {
        done[place.record].heads[place.layer, default: [:]][place.quantity] = values
      } else {
        done[place.record].layers[place.layer, default: [:]][place.quantity] = values
      }
    }
    rooms[count]!.waiting = []
  }
}
