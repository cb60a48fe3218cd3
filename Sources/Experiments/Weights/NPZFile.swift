/// NumPy's arrays as weights: one in an NPY file, any number in an NPZ file (a ZIP archive of NPY
/// files, stored or deflated).
/// Source: NumPy, numpy/lib/format.py; numpy.savez and numpy.savez_compressed.
enum NPZFile {
  private static let suffix = ".npy"

  /// The array of an NPY file, named after it.
  ///
  /// - Throws: `DataError`.
  static func tensor(npy file: RandomAccessFile) throws -> StoredTensor {
    let name = file.path.split(separator: "/").last.map(String.init) ?? file.path
    return try tensor(
      file, name: name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name,
      path: file.path)
  }

  /// The arrays of an NPZ file, and what of it is no array or cannot be read.
  ///
  /// A member that is not to be read never stops the others.
  /// - Throws: `DataError`; where no member can be read, what is wrong with the first.
  static func contents(npz archive: ZipArchive) throws -> WeightFile.Contents {
    let arrays = archive.entries.filter { $0.name.hasSuffix(suffix) }
    guard !arrays.isEmpty else {
      throw DataError.unsupported(
        path: archive.file.path,
        expected: "a ZIP archive of .npy members, as numpy.savez writes, or PyTorch's",
        found: archive.entries.isEmpty
          ? "an empty one" : "one with \(DataError.quoted(archive.entries[0].name))")
    }
    var contents = WeightFile.Contents()
    var errors: [DataError] = []
    for entry in arrays {
      do {
        let member = try archive.member(entry)
        contents.tensors.append(
          try tensor(member, name: String(entry.name.dropLast(suffix.count)), path: member.path))
      } catch let error as DataError {
        errors.append(error)
        var isDamaged = true
        if case .unsupported(_, _, let found) = error {
          contents.leftAside.append("\(entry.name): \(found)")
          isDamaged = false
        }
        contents.unread.append(
          .init(
            name: String(entry.name.dropLast(suffix.count)), reason: error.description,
            isDamaged: isDamaged))
      }
    }
    if contents.tensors.isEmpty, let error = errors.first { throw error }
    let others = archive.entries.count - arrays.count
    if others > 0 {
      contents.leftAside.append(
        others == 1
          ? "1 member of the archive that is no .npy"
          : "\(others) members of the archive that are no .npy")
    }
    return contents
  }

  private static func tensor(
    _ source: any ByteSource, name: String, path: String
  ) throws -> StoredTensor {
    let header = try NPYHeader(source, path: path)
    guard let type = NPYElementType(header.type) else {
      throw DataError.unsupported(
        path: path, expected: "an NPY array of numbers", found: NPYElementType.found(header.type))
    }
    try DataFile.checkSize(
      of: header.shape, elementBytes: type.width, available: source.byteCount - header.dataOffset,
      path: path)
    let formats: [String: FloatFormat] = ["f2": .float16, "f4": .float32, "f8": .float64]
    return StoredTensor(
      name: name, shape: header.shape, typeName: header.type,
      type: formats[String(header.type.dropFirst())].map {
        NumericType($0, bigEndian: type.bigEndian)
      },
      strides: header.fortranOrder
        ? StoredTensor.strides(of: header.shape.reversed()).reversed() : nil,
      source: source, offset: header.dataOffset)
  }
}
