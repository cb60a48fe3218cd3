import Training

/// A tensor in a file; its values stay there until they are asked for.
public struct StoredTensor {
  /// The tensor's name; a lone NPY file's is the file's own.
  public let name: String
  /// Sizes, the slowest first.
  public let shape: [Int]
  /// Type of the values as the file names it: "F32", "<f4".
  public let typeName: String
  /// How to read the values; nil where they are not floating-point numbers of a known kind.
  let type: NumericType?
  /// Whether the first index runs fastest.
  let fortranOrder: Bool
  let source: any ByteSource
  /// Where the values start in `source`.
  let offset: Int

  /// Number of values; that it fits was checked when the file was opened.
  var count: Int { shape.reduce(1, *) }
}

extension StoredTensor {
  /// The tensor on the host, values rounded to float32.
  ///
  /// - path: of the file, for errors.
  /// - Throws: `DataError.unsupported` where the values are no floating-point numbers.
  func values(path: String) throws -> NamedValues {
    guard let type else {
      throw DataError.unsupported(
        path: path, expected: "floating-point values of \(DataError.quoted(name))", found: typeName)
    }
    let values: [Float]
    if let matrix = StoredMatrix(self) {
      values = try matrix.values(0..<matrix.rows, as: Float.self)
    } else {
      let bytes = try source.read(offset..<offset + count * type.format.width)
      values = try filled(count) { room in bytes.withUnsafeBytes { type.decode($0, into: room) } }
    }
    return NamedValues(name: name, shape: shape, values: values)
  }
}

/// A value that is not finite, and where it is.
struct NotFiniteValue: Error {
  /// From 0.
  let row, column: Int
  let text: String
}

/// A stored tensor of two or more dimensions as the matrix [first, product of the rest].
struct StoredMatrix: MatrixRows {
  let tensor: StoredTensor
  private let type: NumericType

  var rows: Int { tensor.shape[0] }
  var columns: Int { tensor.shape.dropFirst().reduce(1, *) }
  var isRounded: Bool { type.format == .float64 }

  /// Bytes that are read and converted at a time.
  private static let pieceBytes = 1 << 24

  /// nil unless `tensor` holds floating-point numbers, has two dimensions and no size 0.
  init?(_ tensor: StoredTensor) {
    guard let type = tensor.type, tensor.shape.count >= 2, !tensor.shape.contains(0) else {
      return nil
    }
    self.tensor = tensor
    self.type = type
  }

  /// - Throws: `NotFiniteValue`, `DataError`.
  func values(_ range: Range<Int>) throws -> [Float] {
    let values: [Float] = try values(range, as: Float.self)
    try checkFinite(values, firstRow: range.lowerBound, columns: columns) {
      // A float64 beyond float32's range is infinite here.
      type.format == .float64 && values[$0].isInfinite ? " as float32" : ""
    }
    return values
  }

  /// The values of whole rows, finite or not.
  ///
  /// - Throws: `DataError`.
  func values<Value: BinaryFloatingPoint>(
    _ range: Range<Int>, as: Value.Type
  ) throws -> [Value] {
    try tensor.fortranOrder ? fortranValues(range) : contiguousValues(range)
  }

  private func contiguousValues<Value: BinaryFloatingPoint>(
    _ range: Range<Int>
  ) throws -> [Value] {
    let count = range.count * columns
    let first = range.lowerBound * columns
    return try filled(count) { values in
      var position = 0
      while position < count {
        let piece = min(count - position, Self.pieceBytes / type.format.width)
        try read(
          first + position,
          UnsafeMutableBufferPointer(
            rebasing: values[position..<(position + piece)]))
        position += piece
      }
    }
  }

  /// Columns lie one after another, the second index running fastest among them: read in that
  /// order, which is forward through the file, and put where the row-major order wants them.
  private func fortranValues<Value: BinaryFloatingPoint>(_ range: Range<Int>) throws -> [Value] {
    let sizes = Array(tensor.shape.dropFirst())
    var strides = [Int](repeating: 1, count: sizes.count)
    for index in sizes.indices.dropLast().reversed() {
      strides[index] = strides[index + 1] * sizes[index + 1]
    }
    // Whole neighbouring columns where all rows are wanted, else the wanted rows of each.
    let isWhole = range.count == rows
    let columnsAtOnce = isWhole ? max(1, Self.pieceBytes / type.format.width / rows) : 1
    var index = [Int](repeating: 0, count: sizes.count)
    return try filled(range.count * columns) { values in
      var stored = 0
      while stored < columns {
        let piece = min(columnsAtOnce, columns - stored)
        let part: [Value] = try filled(piece * range.count) { part in
          try read(stored * rows + range.lowerBound, part)
        }
        for column in 0..<piece {
          let target = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
          for row in 0..<range.count {
            values[row * columns + target] = part[column * range.count + row]
          }
          var axis = 0
          while axis < sizes.count {
            index[axis] += 1
            if index[axis] < sizes[axis] { break }
            index[axis] = 0
            axis += 1
          }
        }
        stored += piece
      }
    }
  }

  /// The stored values from the `first` on.
  private func read<Value: BinaryFloatingPoint>(
    _ first: Int, _ values: UnsafeMutableBufferPointer<Value>
  ) throws {
    let start = tensor.offset + first * type.format.width
    let bytes = try tensor.source.read(start..<(start + values.count * type.format.width))
    bytes.withUnsafeBytes { type.decode($0, into: values) }
  }
}

/// An array of `count` elements that `fill` sets, all of them.
func filled<Value: BinaryFloatingPoint>(
  _ count: Int, _ fill: (UnsafeMutableBufferPointer<Value>) throws -> Void
) throws -> [Value] {
  try [Value](unsafeUninitializedCapacity: count) { memory, initialized in
    try fill(UnsafeMutableBufferPointer(rebasing: memory[..<count]))
    initialized = count
  }
}

/// - note: added to the text of the value at an index.
/// - Throws: `NotFiniteValue` for the first.
func checkFinite(
  _ values: [Float], firstRow: Int, columns: Int, note: (Int) -> String = { _ in "" }
) throws {
  // The sum of x·0 is 0 exactly where all are finite, and the loop has no branch.
  var sum: Float = 0
  for value in values { sum += value * 0 }
  if sum == 0 { return }
  guard let bad = values.firstIndex(where: { !$0.isFinite }) else { return }
  throw NotFiniteValue(
    row: firstRow + bad / columns, column: bad % columns, text: "\(values[bad])\(note(bad))")
}
