import Tensors

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
  /// Entries with √v̂ ≤ 10 ε.
  case smallSquares
  case learningRate, initialStd
}

/// Collects numbers of each replica on the device and reads them rarely.
final class DiagnosticReading {
  struct Record {
    let step: Int
    /// [layer][quantity]: a value for each replica.
    var layers: [Int: [RawQuantity: [Double]]] = [:]
  }

  private struct Place {
    let record, layer: Int
    let quantity: RawQuantity
  }

  /// Numbers in device memory before a read; a read waits for the device.
  private static let capacity = 4096
  private let history: SumHistory
  private var waiting: [Place] = []
  private var done: [Record] = []

  init(replicas: Int, compute: Compute) throws {
    history = try SumHistory(capacity: Self.capacity, replicas: replicas, compute: compute)
  }

  func begin(step: Int) {
    done.append(Record(step: step))
  }

  /// Notes Σ over `sums` [replica, 1, n] of each replica.
  func note(_ quantity: RawQuantity, _ layer: Int, _ sums: Tensor) throws {
    if waiting.count == Self.capacity { try read() }
    try history.record(sums, slot: waiting.count)
    waiting.append(Place(record: done.count - 1, layer: layer, quantity: quantity))
  }

  /// Notes what the host knows.
  func note(_ quantity: RawQuantity, _ layer: Int, _ values: [Double]) {
    done[done.count - 1].layers[layer, default: [:]][quantity] = values
  }

  /// Every record begun so far.
  func records() throws -> [Record] {
    try read()
    return done
  }

  private func read() throws {
    guard !waiting.isEmpty else { return }
    let values = try history.read(slots: waiting.count)
    for (place, values) in zip(waiting, values) {
      done[place.record].layers[place.layer, default: [:]][place.quantity] =
        values.map(Double.init)
    }
    waiting = []
  }
}
