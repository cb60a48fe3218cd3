import Foundation

/// IDX, the format of MNIST and its kin, plain or gzip: images of unsigned bytes, [count, …], and
/// labels of unsigned bytes, [count]. A folder that is named like a file stands for the file in it.
/// Source: http://yann.lecun.com/exdb/mnist, "the IDX file format".
enum IDXFormat: DataFormat {
  static let expected = "IDX (train-images-idx3-ubyte[.gz] and its labels, a file or a directory)"

  static func recognizes(_ location: DataLocation) -> Bool {
    if let entries = location.entries { return !trainingImages(among: entries).isEmpty }
    if labelsName(for: location.name) != nil { return true }
    if location.name.contains("idx1") { return true }  // labels alone: refused with a reason
    guard let file = FileHandle(forReadingAtPath: location.path),
      let head = try? file.read(upToCount: 4)
    else { return false }
    return head.count == 4 && head[0] == 0 && head[1] == 0 && elementNames[head[2]] != nil
  }

  static func load(_ location: DataLocation, _ reading: DataReading) throws -> LoadedData {
    try reading.requireClasses(location)
    let location = outer(location)
    let splits = location.entries.map(trainingImages)
    if let splits, splits.count > 1 {
      throw DataError.unsupported(
        path: location.path, expected: "the images file of one of its \(splits.count) splits",
        found: "a directory of " + splits.joined(separator: ", "))
    }
    let images = splits?.first ?? location.name
    let train = try rows(images: images, in: location)
    guard let test = testImages(beside: images, in: location) else {
      return try LoadedData(name: location.name, train: train)
    }
    return try LoadedData(
      name: location.name, train: train, validation: rows(images: test, in: location))
  }

  // MARK: Names

  private static let imagesMarks = ["images-idx", "images.idx"]

  /// The training images of every split; the plain file where both it and its gzip, or both
  /// "images-idx3" and "images.idx3", are there: what sorts first.
  private static func trainingImages(among names: [String]) -> [String] {
    var known: Set<String> = []
    return names.filter { name in
      guard name.contains("train-images"), labelsName(for: name) != nil else { return false }
      let plain = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
      return known.insert(plain.replacingOccurrences(of: "images.idx", with: "images-idx")).inserted
    }
  }

  /// "train-images-idx3-ubyte" → "train-labels-idx1-ubyte"; nil where the name has no such part.
  private static func labelsName(for images: String) -> String? {
    for mark in imagesMarks {
      guard let range = images.range(of: mark) else { continue }
      let rest = images[range.upperBound...].drop { $0.isNumber }
      return images[..<range.lowerBound] + "labels" + mark.dropFirst("images".count) + "1" + rest
    }
    return nil
  }

  /// The file of the same name in a folder that is named like a file, as Kaggle has them.
  private static func innerFile(of path: String) -> String {
    let url = URL(fileURLWithPath: path)
    let inner = url.appendingPathComponent(url.lastPathComponent).path
    return FileManager.default.fileExists(atPath: inner) ? inner : path
  }

  /// The folder that is named like the file in it, where that folder or its file is given and the
  /// labels are not there: they are in a folder beside it.
  private static func outer(_ location: DataLocation) -> DataLocation {
    let url = URL(fileURLWithPath: location.path)
    let folder = location.entries == nil ? url.deletingLastPathComponent() : url
    guard let labels = labelsName(for: location.name), folder.lastPathComponent == location.name,
      location.firstFile(named: [location.name]) != nil,
      location.firstFile(named: spellings(of: labels)) == nil
    else { return location }
    return DataLocation(standingForFile: folder.path)
  }

  /// A name as it is, then with its gzip ending added or dropped.
  private static func spellings(of name: String) -> [String] {
    [name, name.hasSuffix(".gz") ? String(name.dropLast(3)) : name + ".gz"]
  }

  private static func testImages(beside images: String, in location: DataLocation) -> String? {
    guard images.contains("train-images") else { return nil }
    let names = ["t10k-images", "test-images"].flatMap {
      spellings(of: images.replacingOccurrences(of: "train-images", with: $0))
    }
    return names.first { location.firstFile(named: [$0]) != nil }
  }

  // MARK: Contents

  private static func rows(images: String, in location: DataLocation) throws -> LabelledRows {
    let path = innerFile(of: location.file(named: images))
    guard let labelsName = labelsName(for: images) else {
      throw DataError.malformed(
        path: path, expected: "an images file named …images-idx3…, to find its labels by",
        found: "the name \(DataError.quoted(images))")
    }
    let labelsPath = innerFile(
      of: location.firstFile(named: spellings(of: labelsName)) ?? location.file(named: labelsName))
    let (sizes, features) = try array(path, expected: "IDX images")
    guard sizes.count >= 2 else {
      throw DataError.unsupported(
        path: path, expected: "images of rank 2 or more", found: "rank \(sizes.count)")
    }
    let (labelSizes, labels) = try array(labelsPath, expected: "IDX labels")
    guard labelSizes.count == 1 else {
      throw DataError.unsupported(
        path: labelsPath, expected: "labels of rank 1", found: "rank \(labelSizes.count)")
    }
    guard labels.count == sizes[0] else {
      throw DataError.countMismatch(
        path: path, features: sizes[0], labelsPath: labelsPath, labels: labels.count)
    }
    return LabelledRows(
      path: path, features: .bytes(features), targets: .labels(labels.map { UInt32($0) }),
      inputs: features.count / sizes[0], labelSource: labelsPath)
  }

  /// Element types by their code, the third byte; only 0x08 is read.
  private static let elementNames: [UInt8: String] = [
    0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32",
    0x0E: "float64",
  ]

  /// Sizes and values of an IDX file of unsigned bytes. Nothing is allocated on a header's word:
  /// its sizes must multiply to the bytes that are there.
  private static func array(_ path: String, expected: String) throws -> (
    sizes: [Int], values: [UInt8]
  ) {
    let bytes = try DataFile.readInflating(path, expected: expected)
    guard bytes.count >= 4 else {
      throw DataError.truncated(
        path: path, expected: "an IDX header of at least 4 bytes", found: "\(bytes.count) bytes")
    }
    guard bytes[0] == 0, bytes[1] == 0, let element = elementNames[bytes[2]] else {
      throw DataError.wrongMagic(
        path: path, expected: "IDX of unsigned bytes, 00 00 08 and the rank",
        found: DataError.hex(bytes.prefix(4)))
    }
    guard bytes[2] == 0x08 else {
      throw DataError.unsupported(
        path: path, expected: "IDX elements of type 0x08 (unsigned byte)",
        found: "type 0x0\(String(bytes[2], radix: 16, uppercase: true)) (\(element))")
    }
    let rank = Int(bytes[3])
    let headerBytes = 4 + 4 * rank
    guard bytes.count >= headerBytes else {
      throw DataError.truncated(
        path: path, expected: "an IDX header of \(headerBytes) bytes for rank \(rank)",
        found: "\(bytes.count) bytes")
    }
    let sizes = (0..<rank).map { axis in
      bytes[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) }
    }
    try LabelledRows.checkSize(
      of: sizes, elementBytes: 1, available: bytes.count - headerBytes, path: path)
    return (sizes, Array(bytes[headerBytes...]))
  }
}
