/// CIFAR-10 in its binary version: records of one label byte and 3 · 32 · 32 bytes of image, red,
/// green, blue planes in turn, row by row.
/// Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
enum CIFAR10Format: DataFormat {
  static let inputs = 3 * 32 * 32
  static let classes = 10
  static let recordBytes = 1 + inputs

  static let expected = "CIFAR-10 (data_batch_*.bin, a file or a directory)"

  static func recognizes(_ location: DataLocation) -> Bool {
    guard let entries = location.entries else { return location.name.hasSuffix(".bin") }
    return entries.contains(where: isTrainingBatch)
  }

  static func load(_ location: DataLocation) throws -> LoadedData {
    let batches = (location.entries?.filter(isTrainingBatch)).map(inNumberOrder)
    let paths = batches.map { $0.map(location.file(named:)) } ?? [location.path]
    // A test batch given as the data itself does not also validate it.
    let test =
      location.name == testBatch ? nil : location.firstFile(named: [testBatch])
    return try LoadedData(
      name: location.name, train: rows(of: paths), validation: test.map { try rows(of: [$0]) },
      classes: classes)
  }

  private static let testBatch = "test_batch.bin"

  private static func isTrainingBatch(_ name: String) -> Bool {
    name.hasPrefix("data_batch_") && name.hasSuffix(".bin")
  }

  /// data_batch_10 after data_batch_9.
  private static func inNumberOrder(_ names: [String]) -> [String] {
    names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
  }

  private static func rows(of paths: [String]) throws -> LabelledRows {
    var features: [UInt8] = []
    var labels: [UInt32] = []
    for path in paths {
      let bytes = try DataFile.read(path, expected: "CIFAR-10 records of \(recordBytes) bytes")
      guard bytes.count.isMultiple(of: recordBytes) else {
        throw DataError.truncated(
          path: path, expected: "whole records of \(recordBytes) bytes",
          found: "\(bytes.count) bytes, \(bytes.count % recordBytes) after the last whole record")
      }
      features.reserveCapacity(features.count + bytes.count)
      for start in stride(from: 0, to: bytes.count, by: recordBytes) {
        labels.append(
          try LabelledRows.label(
            Int(bytes[start]), path: path, row: start / recordBytes + 1, classes: classes))
        features.append(contentsOf: bytes[(start + 1)..<(start + recordBytes)])
      }
    }
    return LabelledRows(
      path: paths[0], features: .bytes(features), labels: labels, inputs: inputs)
  }
}
