/// An axis of a tensor, or part of one.
struct TensorAxis: Hashable {
  var size: Int
  /// Values from one index to the next, ≥ 0.
  var stride: Int
}

extension StoredTensor {
  /// Bytes that are read and converted at a time.
  private static let pieceBytes = 1 << 24
  /// Values that are read for each that is wanted, at most, before single runs are read instead.
  private static let wastedReading = 4

  /// An axis of what is read, and the distance of its neighbours in the result.
  private struct Passage {
    var size: Int
    let stride, target: Int
  }

  /// The values of `axes`, the last of them running fastest, whatever their order in the file.
  ///
  /// Reading goes forward through the file, in pieces.
  /// - first: the value of the tensor that comes first.
  /// - values: has room for all of them. The tensor holds floating-point numbers.
  /// - Throws: `DataError`.
  func read<Value: BinaryFloatingPoint>(
    _ axes: [TensorAxis], from first: Int, into values: UnsafeMutableBufferPointer<Value>
  ) throws {
    var target = 1
    var passages: [Passage] = []
    for axis in axes.reversed() {
      if axis.size == 0 { return }
      if axis.size > 1 {
        passages.append(Passage(size: axis.size, stride: axis.stride, target: target))
      }
      target *= axis.size
    }
    passages.sort { $0.stride > $1.stride }
    // Axes that lie one within the other, in the file as in the result, are one.
    var merged: [Passage] = []
    for passage in passages {
      if let outer = merged.last, outer.stride == passage.stride * passage.size,
        outer.target == passage.target * passage.size
      {
        merged[merged.count - 1] = Passage(
          size: outer.size * passage.size, stride: passage.stride, target: passage.target)
      } else {
        merged.append(passage)
      }
    }
    try read(merged[...], from: first, into: values, at: 0)
  }

  private func read<Value: BinaryFloatingPoint>(
    _ passages: ArraySlice<Passage>, from first: Int,
    into values: UnsafeMutableBufferPointer<Value>, at place: Int
  ) throws {
    let width = type!.format.width
    guard let outer = passages.first else {
      return try decode(first, UnsafeMutableBufferPointer(rebasing: values[place..<(place + 1)]))
    }
    let count = passages.reduce(1) { $0 * $1.size }
    let span = passages.reduce(1) { $0 + ($1.size - 1) * $1.stride }
    if span <= Self.pieceBytes / width && span / Self.wastedReading <= count {
      if passages.count == 1 && outer.stride == 1 && outer.target == 1 {
        return try decode(
          first, UnsafeMutableBufferPointer(rebasing: values[place..<(place + count)]))
      }
      let piece: [Value] = try filled(span) { try decode(first, $0) }
      return Self.scatter(passages, piece, at: 0, into: values, at: place)
    }
    if outer.size == 1 {
      return try read(passages.dropFirst(), from: first, into: values, at: place)
    }
    let half = outer.size / 2
    var (lower, upper) = (passages, passages)
    lower[passages.startIndex].size = half
    upper[passages.startIndex].size = outer.size - half
    try read(lower, from: first, into: values, at: place)
    try read(
      upper, from: first + half * outer.stride, into: values, at: place + half * outer.target)
  }

  private static func scatter<Value>(
    _ passages: ArraySlice<Passage>, _ piece: [Value], at start: Int,
    into values: UnsafeMutableBufferPointer<Value>, at place: Int
  ) {
    let outer = passages[passages.startIndex]
    let inner = passages.dropFirst()
    for index in 0..<outer.size {
      let (start, place) = (start + index * outer.stride, place + index * outer.target)
      if inner.isEmpty {
        values[place] = piece[start]
      } else {
        scatter(inner, piece, at: start, into: values, at: place)
      }
    }
  }

  /// The stored values from the `first` on, one after another.
  private func decode<Value: BinaryFloatingPoint>(
    _ first: Int, _ values: UnsafeMutableBufferPointer<Value>
  ) throws {
    let width = type!.format.width
    let start = offset + first * width
    let bytes = try source.read(start..<(start + values.count * width))
    bytes.withUnsafeBytes { type!.decode($0, into: values) }
  }
}
