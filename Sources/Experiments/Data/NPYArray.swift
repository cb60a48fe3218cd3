/// An NPY array in memory, of any real type, byte order and axis order.
struct NPYArray {
  /// File, or archive and member, for errors.
  let path: String
  let shape: [Int]
  private let type: NPYElementType
  /// The values in C order.
  private let bytes: [UInt8]

  /// Number of values.
  var count: Int { shape.reduce(1, *) }

  /// Reads an array of rank 1 or more.
  ///
  /// - Throws: `DataError`: `.unsupported` where its elements are no real numbers.
  init(_ bytes: [UInt8], path: String) throws {
    let header = try NPYHeader(bytes, path: path)
    guard let type = NPYElementType(header.type), type.isReal else {
      throw DataError.unsupported(
        path: path, expected: "integers, truth values or floating-point numbers of up to 64 bits",
        found: NPYElementType.found(header.type))
    }
    try LabelledRows.checkSize(
      of: header.shape, elementBytes: type.width, available: bytes.count - header.dataOffset,
      path: path)
    var values = Array(bytes[header.dataOffset...])
    if header.fortranOrder && header.shape.count > 1 {
      values = Self.inCOrder(values, shape: header.shape, width: type.width)
    }
    (self.path, shape, self.type, self.bytes) = (path, header.shape, type, values)
  }

  /// From first index fastest to last index fastest.
  private static func inCOrder(_ bytes: [UInt8], shape: [Int], width: Int) -> [UInt8] {
    var strides = [width]
    for size in shape.dropLast() { strides.append(strides.last! * size) }
    return [UInt8](unsafeUninitializedCapacity: bytes.count) { result, filled in
      var index = [Int](repeating: 0, count: shape.count)
      var source = 0
      for target in stride(from: 0, to: bytes.count, by: width) {
        for byte in 0..<width { result[target + byte] = bytes[source + byte] }
        var axis = shape.count - 1
        while axis >= 0 {
          index[axis] += 1
          source += strides[axis]
          if index[axis] < shape[axis] { break }
          source -= shape[axis] * strides[axis]
          index[axis] = 0
          axis -= 1
        }
      }
      filled = bytes.count
    }
  }

  // MARK: Values

  /// Unsigned bytes as they are; nil for other types.
  var unsignedBytes: [UInt8]? { type.kind == "u" && type.width == 1 ? bytes : nil }

  /// The values as float32.
  ///
  /// - Throws: `DataError.notFinite`, with row and column of the value.
  func floats() throws -> [Float] {
    let values: [Float]
    let formats: [Int: FloatFormat] = [2: .float16, 4: .float32, 8: .float64]
    if type.kind == "f", let format = formats[type.width] {
      values = try filled(count) { room in
        bytes.withUnsafeBytes {
          NumericType(format, bigEndian: type.bigEndian).decode($0, into: room)
        }
      }
    } else {
      values = (0..<count).map { Float(value($0)) }
    }
    // After the conversion: a float64 beyond float32's range is infinite here.
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      let columns = count / shape[0]
      throw DataError.notFinite(
        path: path, at: .row(bad / columns + 1), column: bad % columns + 1,
        found: value(bad).isFinite ? "\(values[bad]) as float32" : "\(values[bad])")
    }
    return values
  }

  /// A value in Double; integers of more than 53 bits are rounded.
  private func value(_ index: Int) -> Double {
    let bits = bits(index)
    switch (type.kind, type.width) {
    case ("f", 2): return Double(NumericType.float(half: UInt16(bits)))
    case ("f", 4): return Double(Float(bitPattern: UInt32(bits)))
    case ("f", _): return Double(bitPattern: bits)
    case ("i", _): return Double(signed(bits))
    default: return Double(bits)
    }
  }

  private func bits(_ index: Int) -> UInt64 {
    let start = index * type.width
    var bits: UInt64 = 0
    for byte in 0..<type.width {
      bits = bits << 8 | UInt64(bytes[start + (type.bigEndian ? byte : type.width - 1 - byte)])
    }
    return bits
  }

  private func signed(_ bits: UInt64) -> Int64 {
    let unused = 64 - 8 * type.width
    return Int64(bitPattern: bits << unused) >> unused
  }

  /// A whole number that fits Int; nil where the value is none.
  private func integer(_ index: Int) -> Int? {
    switch type.kind {
    case "f": Int(exactly: value(index))
    case "i": Int(signed(bits(index)))
    default: Int(exactly: bits(index))
    }
  }

  /// The class of each row: of shape [count] or [count, 1] whole numbers, of [count, classes] the
  /// place of the 1 among zeros. Names where the numbers are −1 and 1.
  ///
  /// - Throws: `DataError.labelOutOfRange`; `.unsupported` for other shapes, and rows that are not
  ///   one-hot.
  func labels() throws -> (labels: [UInt32], names: [String]?) {
    if shape.count == 2 && shape[1] > 1 { return (try oneHotLabels(), nil) }
    guard shape.count == 1 || shape.count == 2 else {
      throw DataError.unsupported(
        path: path, expected: "labels of shape [count], [count, 1] or one-hot [count, classes]",
        found: "shape \(shape)")
    }
    let numbers = try (0..<count).map { row in
      guard let label = integer(row) else {
        throw DataError.labelOutOfRange(
          path: path, at: .row(row + 1),
          expected: "0…\(LabelledRows.maximumClasses - 1) (--task regression learns real numbers)",
          found: "\(value(row))")
      }
      return label
    }
    return try LabelledRows.classes(
      of: numbers, path: path,
      hint: ", or -1 and 1 alone: number the classes from 0 (--task regression learns numbers)"
    ) { .row($0 + 1) }
  }

  private func oneHotLabels() throws -> [UInt32] {
    let (rows, classes) = (shape[0], shape[1])
    return try (0..<rows).map { row in
      let values = (0..<classes).map { value(row * classes + $0) }
      guard let label = values.firstIndex(of: 1), values.count(where: { $0 == 0 }) == classes - 1
      else {
        throw DataError.unsupported(
          path: path,
          expected: "labels of shape [count] or [count, 1], or one-hot rows (--task regression "
            + "learns \(classes) numbers a row)",
          found: "shape \(shape) whose row \(row + 1) is not one-hot")
      }
      return try LabelledRows.label(label, path: path, at: .row(row + 1))
    }
  }

  /// Numbers to learn, [count] or [count, targets].
  ///
  /// - Throws: `DataError.notFinite`, `.unsupported` for other shapes.
  func targets() throws -> (values: [Double], count: Int) {
    guard shape.count == 1 || shape.count == 2 else {
      throw DataError.unsupported(
        path: path, expected: "targets of shape [count] or [count, targets]",
        found: "shape \(shape)")
    }
    let values = (0..<count).map(value)
    let columns = shape.count == 1 ? 1 : shape[1]
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw DataError.notFinite(
        path: path, at: .row(bad / columns + 1), column: bad % columns + 1, found: "\(values[bad])")
    }
    return (values, columns)
  }

  /// Token numbers, [count].
  ///
  /// - Throws: `DataError.unsupported` for other shapes and types that are not integers;
  ///   `.tokenOutOfRange`.
  func tokens() throws -> [UInt32] {
    guard shape.count == 1, "ui".contains(type.kind) else {
      throw DataError.unsupported(
        path: path, expected: "token numbers: integers of shape [count]",
        found: shape.count == 1 ? "numbers that are not integers" : "shape \(shape)")
    }
    return try (0..<count).map { position in
      guard let token = integer(position), (0..<Vocabulary.maximumCount).contains(token) else {
        throw DataError.tokenOutOfRange(
          path: path, position: position + 1,
          found: integer(position).map { "\($0)" } ?? "\(bits(position))")
      }
      return UInt32(token)
    }
  }
}
