/// A pair of NumPy arrays: features of float32, float64 or unsigned bytes, [count, …], and integer
/// labels, [count] or [count, 1]; little-endian, C order.
enum NPYFormat: DataFormat {
  static let expected = "NPY (x.npy and labels.npy, a directory or the file of x)"

  private static let featureNames = ["x.npy", "X.npy"]
  private static let labelNames = ["labels.npy", "y.npy"]

  static func recognizes(_ location: DataLocation) -> Bool {
    guard let entries = location.entries else { return location.name.hasSuffix(".npy") }
    return entries.contains(where: featureNames.contains)
  }

  static func load(_ location: DataLocation) throws -> LoadedData {
    let path =
      location.entries == nil ? location.path : location.firstFile(named: featureNames)
    guard let path else {
      throw DataError.missing(path: location.file(named: featureNames[0]), expected: "features")
    }
    let labelsPath =
      location.firstFile(named: labelNames) ?? location.file(named: labelNames[0])
    let (features, shape) = try features(path)
    let labels = try labels(labelsPath)
    guard labels.count == shape[0] else {
      throw DataError.countMismatch(
        path: path, features: shape[0], labelsPath: labelsPath, labels: labels.count)
    }
    let rows = LabelledRows(
      path: path, features: features, labels: labels, inputs: features.count / shape[0])
    return try LoadedData(name: location.name, train: rows)
  }

  private static func features(_ path: String) throws -> (DataSet.Features, shape: [Int]) {
    let bytes = try DataFile.read(path, expected: "an NPY array of features")
    let header = try NPYHeader(bytes, path: path)
    guard let elementBytes = ["<f4": 4, "<f8": 8, "|u1": 1][header.type] else {
      throw DataError.unsupported(
        path: path, expected: "features of type <f4, <f8 or |u1",
        found: DataError.quoted(header.type))
    }
    guard header.shape.count >= 2 else {
      throw DataError.unsupported(
        path: path, expected: "features of rank 2 or more, [count, …]",
        found: "shape \(header.shape)")
    }
    try check(header, elementBytes: elementBytes, fileBytes: bytes.count, path: path)
    let offset = header.dataOffset
    let count = (bytes.count - offset) / elementBytes
    guard elementBytes > 1 else { return (.bytes(Array(bytes[offset...])), header.shape) }
    let values = bytes.withUnsafeBytes { raw in
      (0..<count).map { index in
        elementBytes == 4
          ? Float(bitPattern: UInt32(littleEndian: load(raw, offset + 4 * index)))
          : Float(Double(bitPattern: UInt64(littleEndian: load(raw, offset + 8 * index))))
      }
    }
    // After the conversion: a float64 beyond float32's range is infinite here.
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      let inputs = count / header.shape[0]
      throw DataError.notFinite(
        path: path, row: bad / inputs + 1, column: bad % inputs + 1,
        found: elementBytes == 8 && !values[bad].isNaN
          ? "\(values[bad]) as float32" : "\(values[bad])")
    }
    return (.floats(values), header.shape)
  }

  private static func labels(_ path: String) throws -> [UInt32] {
    let bytes = try DataFile.read(path, expected: "an NPY array of integer labels")
    let header = try NPYHeader(bytes, path: path)
    let widths = [
      "|i1": 1, "<i2": 2, "<i4": 4, "<i8": 8, "|u1": 1, "<u2": 2, "<u4": 4, "<u8": 8,
    ]
    guard let width = widths[header.type] else {
      throw DataError.unsupported(
        path: path, expected: "labels of type |i1, <i2, <i4, <i8, |u1, <u2, <u4 or <u8",
        found: DataError.quoted(header.type))
    }
    guard header.shape.count == 1 || (header.shape.count == 2 && header.shape[1] == 1) else {
      throw DataError.unsupported(
        path: path, expected: "labels of shape [count] or [count, 1]",
        found: "shape \(header.shape)")
    }
    try check(header, elementBytes: width, fileBytes: bytes.count, path: path)
    let signed = header.type.contains("i")
    return try bytes.withUnsafeBytes { raw in
      try (0..<header.shape[0]).map { row in
        let value = integer(raw, at: header.dataOffset + row * width, width: width, signed: signed)
        guard let value else {
          throw DataError.labelOutOfRange(
            path: path, row: row + 1, expected: "0…\(LabelledRows.maximumClasses - 1)",
            found: "more than \(Int.max)")
        }
        return try LabelledRows.label(value, path: path, row: row + 1)
      }
    }
  }

  private static func check(
    _ header: NPYHeader, elementBytes: Int, fileBytes: Int, path: String
  ) throws {
    guard !header.fortranOrder else {
      throw DataError.unsupported(
        path: path, expected: "C order, fortran_order False (numpy.ascontiguousarray makes it)",
        found: "fortran_order True")
    }
    try LabelledRows.checkSize(
      of: header.shape, elementBytes: elementBytes, available: fileBytes - header.dataOffset,
      path: path)
  }

  /// A little-endian integer of 1, 2, 4 or 8 bytes; nil where it does not fit Int.
  private static func integer(
    _ raw: UnsafeRawBufferPointer, at offset: Int, width: Int, signed: Bool
  ) -> Int? {
    var bits: UInt64 = 0
    for byte in (0..<width).reversed() { bits = bits << 8 | UInt64(raw[offset + byte]) }
    guard signed else { return Int(exactly: bits) }
    let unused = 64 - 8 * width
    return Int(Int64(bitPattern: bits << unused) >> unused)
  }

  private static func load<Value: BitwiseCopyable>(
    _ raw: UnsafeRawBufferPointer, _ offset: Int
  ) -> Value {
    raw.loadUnaligned(fromByteOffset: offset, as: Value.self)
  }
}
