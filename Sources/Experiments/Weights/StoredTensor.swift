import Training

/// A tensor in a file; its values stay there until they are asked for.
public struct StoredTensor {
  /// The tensor's name; a lone NPY file's is the file's own.
  public let name: String
  /// Sizes, the slowest first.
  public let shape: [Int]
  /// Type of the values as the file names it: "F32", "<f4", "float32".
  public let typeName: String
  /// How to read the values; nil where they are not floating-point numbers of a known kind.
  let type: NumericType?
  /// Values from one index to the next along each axis.
  let strides: [Int]
  let source: any ByteSource
  /// Where in `source` the value at index 0 of every axis lies.
  let offset: Int

  /// A tensor whose values lie within `source`, which was checked.
  ///
  /// - strides: those of rows one after another, the last index fastest, where nil.
  init(
    name: String, shape: [Int], typeName: String, type: NumericType?, strides: [Int]? = nil,
    source: any ByteSource, offset: Int
  ) {
    (self.name, self.shape, self.typeName, self.type) = (name, shape, typeName, type)
    self.strides = strides ?? Self.strides(of: shape)
    (self.source, self.offset) = (source, offset)
  }

  /// Number of values; that it fits was checked when the file was opened.
  var count: Int { shape.reduce(1, *) }

  /// Every axis, the slowest first.
  var axes: [TensorAxis] { zip(shape, strides).map { TensorAxis(size: $0, stride: $1) } }

  /// Strides of an array whose last index runs fastest.
  static func strides(of shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] =
        strides[axis + 1].multipliedReportingOverflow(by: shape[axis + 1]).partialValue
    }
    return strides
  }
}

extension StoredTensor {
  /// The tensor on the host, values rounded to float32.
  ///
  /// - path: of the file, for errors.
  /// - Throws: `DataError.unsupported` where the values are no floating-point numbers.
  func values(path: String) throws -> NamedValues {
    guard type != nil else {
      throw DataError.unsupported(
        path: path, expected: "floating-point values of \(DataError.quoted(name))", found: typeName)
    }
    let values: [Float] = try filled(count) { try read(axes, from: 0, into: $0) }
    return NamedValues(name: name, shape: shape, values: values)
  }
}

/// A value that is not finite, and where it is.
struct NotFiniteValue: Error {
  /// From 0.
  let row, column: Int
  let text: String
}

/// A matrix within a stored tensor: one axis is its rows, the others together its columns.
struct StoredMatrix: MatrixRows {
  let tensor: StoredTensor
  let rows, columns: Int
  private let axes: [TensorAxis]
  private let first: Int

  var isRounded: Bool { tensor.type?.format == .float64 }

  /// The tensor as the matrix [first size, product of the rest].
  ///
  /// nil unless it holds floating-point numbers, has two dimensions and no size 0.
  init?(_ tensor: StoredTensor) {
    guard tensor.shape.count >= 2 else { return nil }
    self.init(tensor, axes: tensor.axes)
  }

  /// The matrix of some values of `tensor`: the first of `axes` is its rows, the others its columns,
  /// the last fastest.
  ///
  /// nil unless the tensor holds floating-point numbers and no size is 0.
  /// - first: the value of the tensor that is the matrix's first.
  init?(_ tensor: StoredTensor, axes: [TensorAxis], first: Int = 0) {
    guard tensor.type != nil, !axes.contains(where: { $0.size == 0 }) else { return nil }
    (self.tensor, self.axes, self.first) = (tensor, axes, first)
    rows = axes[0].size
    columns = axes.dropFirst().reduce(1) { $0 * $1.size }
  }

  /// - Throws: `NotFiniteValue`, `DataError`.
  func values(_ range: Range<Int>) throws -> [Float] {
    let values: [Float] = try values(range, as: Float.self)
    try checkFinite(values, firstRow: range.lowerBound, columns: columns) {
      // A float64 beyond float32's range is infinite here.
      isRounded && values[$0].isInfinite ? " as float32" : ""
    }
    return values
  }

  /// The values of whole rows, finite or not.
  ///
  /// - Throws: `DataError`.
  func values<Value: BinaryFloatingPoint>(
    _ range: Range<Int>, as: Value.Type
  ) throws -> [Value] {
    var part = axes
    part[0].size = range.count
    let start = first + range.lowerBound * axes[0].stride
    return try filled(range.count * columns) { try tensor.read(part, from: start, into: $0) }
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
