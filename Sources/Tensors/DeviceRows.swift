import OpenCL

/// Rows with their labels or targets resident on the device, gathered into batches with normalisation; or
/// a text whose rows are windows of tokens.
///
///     x = source·scale + shift
///     x[t] = tokens[first + t], its label tokens[first + t + 1],  t < context
public final class DeviceRows {
  /// Values as stored: bytes stay bytes, a quarter of the memory.
  public enum Source {
    /// [count, inputs], 0…255.
    case bytes([UInt8])
    /// [count, inputs].
    case floats([Float])
  }

  /// A text's tokens as stored: small numbers take half of the memory.
  public enum Tokens: Sendable {
    /// Numbers below 65536, two bytes each.
    case narrow([UInt16])
    /// Numbers below 2²⁴, which floats hold.
    case wide([UInt32])

    /// Number of tokens.
    public var count: Int {
      switch self {
      case .narrow(let tokens): tokens.count
      case .wide(let tokens): tokens.count
      }
    }
  }

  enum Storage {
    case bytes(Buffer<UInt8>)
    case floats(Buffer<Float>)
    case tokens(Buffer<UInt16>)
    case wideTokens(Buffer<UInt32>)
  }

  /// Whether the values are stored as bytes.
  package var isBytes: Bool { if case .bytes = storage { true } else { false } }
  /// Number of rows.
  public let count: Int
  /// Values a row; of a text the context.
  public let inputs: Int
  /// Labels a row: 1, of a text one for each of its tokens.
  public var labelsPerRow: Int { windows == nil ? 1 : inputs }
  /// How a text's windows lie; nil of other rows.
  private let windows: TokenWindows?
  let storage: Storage
  /// Class of each row; where there are targets, its number.
  let labels: Buffer<UInt32>
  /// What a network is to give for each row, [count, outputs]; nil: its label's class.
  package let targets: Buffer<Float>?
  /// nil of a text.
  let normalization: (scale: Buffer<Float>, shift: Buffer<Float>)?

  /// Uploads rows with their labels and normalisation.
  ///
  /// - scale, shift: [inputs].
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public convenience init(
    _ source: Source, labels: [UInt32], scale: [Float], shift: [Float], compute: Compute
  ) throws {
    try self.init(
      source, labels: labels, targets: nil, scale: scale, shift: shift, compute: compute)
  }

  /// Uploads rows with the numbers that a network is to give for them, and their normalisation.
  ///
  /// - targets: [count, outputs]. scale, shift: [inputs].
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public convenience init(
    _ source: Source, targets: [Float], outputs: Int, scale: [Float], shift: [Float],
    compute: Compute
  ) throws {
    precondition(
      outputs >= 1 && targets.count.isMultiple(of: outputs),
      "\(targets.count) targets of \(outputs) outputs")
    try self.init(
      source, labels: (0..<UInt32(targets.count / outputs)).map { $0 }, targets: targets,
      scale: scale, shift: shift, compute: compute)
  }

  private init(
    _ source: Source, labels: [UInt32], targets: [Float]?, scale: [Float], shift: [Float],
    compute: Compute
  ) throws {
    count = labels.count
    inputs = scale.count
    let values =
      switch source {
      case .bytes(let values): values.count
      case .floats(let values): values.count
      }
    precondition(
      values == count * inputs && shift.count == inputs,
      "\(values) values for \(count) rows of \(inputs)")
    storage =
      switch source {
      case .bytes(let values): .bytes(try Buffer(queue: compute.queue, values))
      case .floats(let values): .floats(try Buffer(queue: compute.queue, values))
      }
    self.labels = try Buffer(queue: compute.queue, labels)
    self.targets = try targets.map { try Buffer(queue: compute.queue, $0) }
    normalization = (
      try Buffer(queue: compute.queue, scale), try Buffer(queue: compute.queue, shift)
    )
    windows = nil
  }

  /// Uploads a text whose rows are `windows` of it.
  ///
  /// - tokens: as many as the windows are laid out for, else traps.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public convenience init(_ tokens: Tokens, _ windows: TokenWindows, compute: Compute) throws {
    let storage: Storage =
      switch tokens {
      case .narrow(let tokens): .tokens(try Buffer(queue: compute.queue, tokens))
      case .wide(let tokens): .wideTokens(try Buffer(queue: compute.queue, tokens))
      }
    precondition(
      tokens.count == windows.tokens, "windows of \(windows.tokens) tokens in \(tokens.count)")
    self.init(storage, windows, labels: try Buffer(queue: compute.queue, [0]))
  }

  private init(_ storage: Storage, _ windows: TokenWindows, labels: Buffer<UInt32>) {
    (self.storage, self.windows, self.labels) = (storage, windows, labels)
    (count, inputs) = (windows.count, windows.context)
    (targets, normalization) = (nil, nil)
  }

  /// The same text in windows of another context; rows of numbers as they are.
  public func windowed(context: Int) -> DeviceRows {
    guard let windows, windows.context != context else { return self }
    return DeviceRows(storage, windows.of(context: context), labels: labels)
  }

  /// Which rows come when, for each replica: [replica, period] row numbers on the device.
  public struct Order {
    let buffer: Buffer<UInt32>
    let replicas: Int
    /// Rows of a replica's order.
    public let period: Int

    /// Uploads an order.
    ///
    /// - rows: for each replica the row numbers in order, all of one length.
    /// - Throws: `OpenCLError.callFailed`.
    public init(_ rows: [[UInt32]], compute: Compute) throws {
      let period = rows.first?.count ?? 0
      precondition(rows.allSatisfy { $0.count == period }, "orders of different lengths")
      replicas = rows.count
      self.period = period
      buffer = try Buffer(queue: compute.queue, rows.flatMap { $0 })
    }

    /// The order that `buffer` holds, or will.
    init(buffer: Buffer<UInt32>, replicas: Int) {
      (self.buffer, self.replicas) = (buffer, replicas)
      period = buffer.count / replicas
    }
  }

  /// Rows in their own order, the same for all of `replicas`.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func order(of rows: Range<Int>, replicas: Int = 1, compute: Compute) throws -> Order {
    let numbers = rows.map { UInt32($0 * (windows?.stride ?? 1)) }
    return try Order([[UInt32]](repeating: numbers, count: replicas), compute: compute)
  }

  /// A random order of all rows for each of the shuffle's replicas, in place of its last one's memory.
  ///
  /// - Throws: `OpenCLError`.
  public func order(_ shuffle: RowShuffle, stream: UInt64) throws -> Order {
    precondition(shuffle.count == count, "an order of \(shuffle.count) for \(count) rows")
    return try shuffle.order(
      stream: stream, stride: windows?.stride ?? 1, shifts: windows?.shifts ?? 1)
  }

  /// The batch of rows `offset ..< offset + rows` of the order, normalised: [replica, rows, inputs]; of a
  /// text [replica, rows·context, 1], a token a row.
  ///
  /// - labels: takes the rows' labels, [replica, rows·labelsPerRow]; their numbers where they have targets.
  /// - Throws: `OpenCLError`.
  public func gather(
    _ order: Order, offset: Int, rows: Int, labels batchLabels: Buffer<UInt32>, compute: Compute
  ) throws -> Tensor {
    try gather(
      order, offset: Varying(UInt32(offset)), rows: rows, labels: batchLabels, compute: compute)
  }

  /// The same, from an offset that may be another when the launch is recorded and made again.
  ///
  /// - Throws: `OpenCLError`.
  package func gather(
    _ order: Order, offset: Varying<UInt32>, rows: Int, labels batchLabels: Buffer<UInt32>,
    compute: Compute
  ) throws -> Tensor {
    let first = Int(offset.value)
    precondition(
      first + rows <= order.period
        && batchLabels.count == order.replicas * rows * labelsPerRow,
      "rows \(first)..<\(first + rows) of \(order.period), \(batchLabels.count) labels")
    let batch = try compute.tensor(
      replicas: order.replicas, rows: rows * labelsPerRow, columns: inputs / labelsPerRow)
    switch storage {
    case .bytes(let source):
      try gather(source, "gather_bytes", order, offset, into: batch, batchLabels, compute)
    case .floats(let source):
      try gather(source, "gather_floats", order, offset, into: batch, batchLabels, compute)
    case .tokens(let source):
      try gatherTokens(source, "gather_tokens", order, offset, into: batch, batchLabels, compute)
    case .wideTokens(let source):
      try gatherTokens(
        source, "gather_wide_tokens", order, offset, into: batch, batchLabels, compute)
    }
    return batch
  }

  private func gatherTokens<Element>(
    _ source: Buffer<Element>, _ name: String, _ order: Order, _ offset: Varying<UInt32>,
    into batch: Tensor, _ batchLabels: Buffer<UInt32>, _ compute: Compute
  ) throws {
    let kernel = try compute.kernel(
      .gather, name, Buffer<Element>.self, Buffer<UInt32>.self, Buffer<Float>.self,
      Buffer<UInt32>.self, Varying<UInt32>.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(batch.rows, 64), order.replicas], local: [64, 1],
      source, order.buffer, batch.buffer, batchLabels, offset, UInt32(order.period),
      UInt32(inputs), UInt32(batch.rows / inputs))
  }

  private func gather<Element>(
    _ source: Buffer<Element>, _ name: String, _ order: Order, _ offset: Varying<UInt32>,
    into batch: Tensor, _ batchLabels: Buffer<UInt32>, _ compute: Compute
  ) throws {
    guard let normalization else { preconditionFailure("a text has no normalisation") }
    let vectors = (inputs + compute.vectorWidth - 1) / compute.vectorWidth
    let kernel = try compute.kernel(
      .gather, name, Buffer<Element>.self, Buffer<UInt32>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<UInt32>.self, Buffer<Float>.self, Buffer<UInt32>.self,
      Varying<UInt32>.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(batch.rows * vectors, 64), order.replicas],
      local: [64, 1], source, labels, normalization.scale, normalization.shift, order.buffer,
      batch.buffer, batchLabels,
      offset, UInt32(order.period), UInt32(inputs), UInt32(batch.rows), UInt32(vectors))
  }
}

/// How windows of a text lie, each a row: `context` tokens and the one that follows.
///
///     window w starts at token w·stride, in a shuffled order up to shifts − 1 tokens later
public struct TokenWindows: Hashable, Sendable {
  /// Tokens of the text.
  public let tokens: Int
  /// Tokens of a window, ≥ 1.
  public let context: Int
  /// Number of windows.
  public let count: Int
  /// Tokens from one window's start to the next's.
  let stride: Int
  /// Places at which all windows of an order may start.
  let shifts: Int
  private let isShifted: Bool
  private let most: Int?

  /// Windows that lie one after another.
  ///
  /// - tokens: more than `context`, else traps.
  /// - isShifted: whether the windows of each shuffled order start elsewhere, by replica, so that each pass
  ///   over a text has others; one window less may then fit.
  /// - most: at most so many windows, spread over the text; nil: all.
  public init(tokens: Int, context: Int, isShifted: Bool = false, most: Int? = nil) {
    precondition(context >= 1 && tokens > context, "windows of \(context) in \(tokens) tokens")
    (self.tokens, self.context, self.isShifted, self.most) = (tokens, context, isShifted, most)
    let all = isShifted ? max(1, (tokens - context) / context) : (tokens - 1) / context
    count = min(all, max(1, most ?? all))
    stride = count < all ? max(context, (tokens - 1 - context) / max(1, count - 1)) : context
    shifts = isShifted ? min(context, tokens - 1 - (count - 1) * stride - context + 1) : 1
  }

  /// The same of another context.
  func of(context: Int) -> TokenWindows {
    TokenWindows(
      tokens: tokens, context: context, isShifted: isShifted,
      most: most.map { max(1, $0 * self.context / context) })
  }
}

/// Random orders of rows, one for each replica, made on the device by Kernels/order.cl.
///
/// An order is a keyed permutation: it depends on the number of rows, the replica's seed and the
/// stream alone, and is the same on every device.
///
///     let shuffle = try RowShuffle(count: rows.count, seeds: [1, 2], compute: compute)
///     let batch = try rows.gather(
///       shuffle.order(stream: 7), offset: 0, rows: 64, labels: labels, compute: compute)
public final class RowShuffle {
  /// Number of rows.
  public let count: Int
  private let seeds: Buffer<UInt64>
  private let order: DeviceRows.Order
  private let compute: Compute

  /// Elements that one work-item makes, PIECE of the kernel.
  private var piece: Int { compute.kernelVariant == .item ? 1024 : compute.vectorWidth }

  /// Room for one order of `count` rows, from 1 up, for each of `seeds`.
  ///
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public init(count: Int, seeds: [UInt64], compute: Compute) throws {
    precondition(count > 0 && !seeds.isEmpty, "an order of \(count) rows for \(seeds.count) seeds")
    self.count = count
    self.compute = compute
    self.seeds = try Buffer(queue: compute.queue, seeds)
    order = try DeviceRows.Order(
      buffer: Buffer(context: compute.queue.context, count: count * seeds.count),
      replicas: seeds.count)
  }

  /// The order of `stream`, in place of the last one's memory; nothing waits for the device.
  ///
  /// - Throws: `OpenCLError`.
  public func order(stream: UInt64) throws -> DeviceRows.Order {
    try order(stream: stream, stride: 1, shifts: 1)
  }

  /// The same of windows of a text: row·stride + shift, with a shift below `shifts` that is each replica's
  /// own in this stream.
  ///
  /// - Throws: `OpenCLError`.
  func order(stream: UInt64, stride: Int, shifts: Int) throws -> DeviceRows.Order {
    let kernel = try compute.kernel(
      .order, "shuffle_rows", Buffer<UInt64>.self, Buffer<UInt32>.self, UInt64.self, UInt32.self,
      UInt32.self, UInt32.self)
    let items = compute.kernelVariant.groupItems
    let groups = (count + items * piece - 1) / (items * piece)
    try kernel(
      compute.queue, global: [groups * items, order.replicas], local: [items, 1], seeds,
      order.buffer, stream, UInt32(count), UInt32(stride), UInt32(shifts))
    return order
  }
}
