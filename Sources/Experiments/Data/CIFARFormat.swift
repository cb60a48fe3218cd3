/// CIFAR-10 and CIFAR-100 in their binary versions: records of one label byte, of CIFAR-100 a coarse
/// and a fine one, and 3 · 32 · 32 bytes of image, red, green, blue planes in turn, row by row.
/// CIFAR-100 is learned by its fine labels.
/// Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
enum CIFARFormat: DataFormat {
  /// The two data sets.
  private enum Variant {
    case ten, hundred

    var name: String { self == .ten ? "CIFAR-10" : "CIFAR-100" }
    var classes: Int { self == .ten ? 10 : 100 }
    var labelBytes: Int { self == .ten ? 1 : 2 }
    var recordBytes: Int { labelBytes + inputs }
    var test: String { self == .ten ? "test_batch.bin" : "test.bin" }

    func isTraining(_ name: String) -> Bool {
      self == .ten
        ? name.hasPrefix("data_batch_") && name.hasSuffix(".bin") : name == "train.bin"
    }
  }

  static let inputs = 3 * 32 * 32

  static let expected =
    "CIFAR-10 (data_batch_*.bin) or CIFAR-100 (train.bin), a file or a directory"

  static func recognizes(_ location: DataLocation) -> Bool {
    guard let entries = location.entries else { return location.name.hasSuffix(".bin") }
    return entries.contains { Variant.ten.isTraining($0) || Variant.hundred.isTraining($0) }
  }

  static func load(_ location: DataLocation, _ reading: DataReading) throws -> LoadedData {
    try reading.requireClasses(location)
    let variant = try variant(of: location)
    let batches = (location.entries?.filter(variant.isTraining)).map(inNumberOrder)
    let paths = batches.map { $0.map(location.file(named:)) } ?? [location.path]
    // A test batch given as the data itself does not also validate it.
    let test = location.name == variant.test ? nil : location.firstFile(named: [variant.test])
    return try LoadedData(
      name: location.name, train: rows(of: paths, variant),
      validation: test.map { try rows(of: [$0], variant) }, classes: variant.classes,
      layout: DataLayout(notes: variant == .hundred ? ["CIFAR-100, by its fine labels"] : []))
  }

  /// By the files' names; of a file of another name by its size.
  private static func variant(of location: DataLocation) throws -> Variant {
    if let entries = location.entries {
      let found = [Variant.ten, .hundred].filter { entries.contains(where: $0.isTraining) }
      guard found.count == 1 else {
        throw DataError.unsupported(
          path: location.path, expected: "CIFAR-10 or CIFAR-100",
          found: "both; give the file of one")
      }
      return found[0]
    }
    for variant in [Variant.ten, .hundred]
    where variant.isTraining(location.name) || location.name == variant.test {
      return variant
    }
    let bytes = try DataFile.read(location.path, expected: "CIFAR records").count
    return !bytes.isMultiple(of: Variant.ten.recordBytes)
      && bytes.isMultiple(of: Variant.hundred.recordBytes) ? .hundred : .ten
  }

  /// Whether a file holds records and no tokens, which may be named `.bin` too: CIFAR-10 by its
  /// name, others by their size and the labels of the first records.
  ///
  /// - Throws: `DataError`, where it cannot be read.
  static func holdsRecords(_ path: String) throws -> Bool {
    let name = DataLocation(standingForFile: path).name
    if Variant.ten.isTraining(name) || name == Variant.ten.test { return true }
    let file = try RandomAccessFile(path: path, expected: "token numbers of 16 bits")
    return try [Variant.ten, .hundred].contains { variant in
      let bytes = variant.recordBytes
      guard file.byteCount.isMultiple(of: bytes) else { return false }
      return try (0..<min(file.byteCount / bytes, 1000)).allSatisfy {
        let label = $0 * bytes + variant.labelBytes - 1
        return try file.read(label..<(label + 1))[0] < variant.classes
      }
    }
  }

  /// data_batch_10 after data_batch_9.
  private static func inNumberOrder(_ names: [String]) -> [String] {
    names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
  }

  private static func rows(of paths: [String], _ variant: Variant) throws -> LabelledRows {
    var features: [UInt8] = []
    var labels: [UInt32] = []
    let recordBytes = variant.recordBytes
    for path in paths {
      let bytes = try DataFile.read(
        path, expected: "\(variant.name) records of \(recordBytes) bytes")
      guard bytes.count.isMultiple(of: recordBytes) else {
        throw DataError.truncated(
          path: path, expected: "whole records of \(recordBytes) bytes",
          found: "\(bytes.count) bytes, \(bytes.count % recordBytes) after the last whole record")
      }
      features.reserveCapacity(features.count + bytes.count)
      for start in stride(from: 0, to: bytes.count, by: recordBytes) {
        let image = start + variant.labelBytes
        labels.append(
          try LabelledRows.label(
            Int(bytes[image - 1]), path: path, at: .row(start / recordBytes + 1),
            classes: variant.classes))
        features.append(contentsOf: bytes[image..<(start + recordBytes)])
      }
    }
    return LabelledRows(
      path: paths[0], features: .bytes(features), targets: .labels(labels), inputs: inputs)
  }
}
