import Testing

@testable import Experiments

@Suite struct NPYFormatTests {
  /// A folder with x and labels.
  private func folder(_ x: [UInt8], _ labels: [UInt8] = npy("<i8", [2], raw([1, 0])))
    throws -> TemporaryFolder
  {
    let folder = try TemporaryFolder()
    try folder.write("x.npy", x)
    try folder.write("labels.npy", labels)
    return folder
  }

  private func error(_ x: [UInt8], _ labels: [UInt8] = npy("<i8", [2], raw([1, 0])))
    throws -> DataError?
  {
    let folder = try folder(x, labels)
    return try loadError(folder.path)
  }

  private let float32 = npy("<f4", [2, 3], raw([1.5, -2, 3, 0, 0.25, 1e-3] as [Float]))

  /// Bytes by NumPy: numpy.lib.format.write_array of
  /// float32 [[1.5, -2, 3], [0, 0.25, 1e-3]] and int64 [1, 0].
  @Test func npy_readsWhatNumPyWrote() throws {
    let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, 0x76, 0]
    func header(_ text: String) -> [UInt8] {
      start + Array(text.utf8) + [UInt8](repeating: 0x20, count: 117 - text.utf8.count) + [0x0A]
    }
    let x =
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }")
      + [0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0x40, 0x40]
      + [0, 0, 0, 0, 0, 0, 0x80, 0x3E, 0x6F, 0x12, 0x83, 0x3A]
    let labels =
      header("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }")
      + [1, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    let folder = try folder(x, labels)
    let loaded = try DataSet.load(path: folder.path)
    #expect(loaded.train.values == [1.5, -2, 3, 0, 0.25, 1e-3])
    #expect(loaded.train.labels == [1, 0])
    #expect(loaded.train.inputs == 3 && loaded.train.classes == 2 && loaded.validation == nil)
  }

  @Test(arguments: [1, 2, 3] as [UInt8]) func npy_versionsLoad(version: UInt8) throws {
    let folder = try folder(
      npy("<f8", [2, 1, 2], raw([1.0, 2, 3, 4]), version: version))
    let train = try DataSet.load(path: folder.path).train
    #expect(train.values == [1, 2, 3, 4] && train.inputs == 2)
  }

  @Test func npy_bytesStayBytes() throws {
    let folder = try folder(npy("|u1", [2, 2], [0, 255, 7, 8]))
    let train = try DataSet.load(path: folder.path).train
    guard case .bytes(let values) = train.features else {
      Issue.record("floats")
      return
    }
    #expect(values == [0, 255, 7, 8])
  }

  @Test func npy_everyLabelTypeLoads() throws {
    let types: [(String, [UInt8])] = [
      ("|i1", raw([1, 0] as [Int8])), ("|u1", raw([1, 0] as [UInt8])),
      ("<i2", raw([1, 0] as [Int16])), ("<u2", raw([1, 0] as [UInt16])),
      ("<i4", raw([1, 0] as [Int32])), ("<u4", raw([1, 0] as [UInt32])),
      ("<i8", raw([1, 0] as [Int64])), ("<u8", raw([1, 0] as [UInt64])),
    ]
    for (type, values) in types {
      for shape in [[2], [2, 1]] {
        let folder = try folder(float32, npy(type, shape, values))
        #expect(try DataSet.load(path: folder.path).train.labels == [1, 0], "\(type)")
      }
    }
  }

  @Test func npy_otherNamesAndFilePathLoad() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("X.npy", float32)
    try folder.write("y.npy", npy("|u1", [2], [0, 1]))
    #expect(try DataSet.load(path: folder.path).train.count == 2)
    #expect(try DataSet.load(path: path).train.count == 2)
  }

  @Test func npy_labelErrorsAreThrown() throws {
    let negative = try error(float32, npy("|i1", [2], [0, 0xFF]))
    guard case .labelOutOfRange(_, row: 2, expected: "0…65535", found: "-1") = negative else {
      Issue.record("\(String(describing: negative))")
      return
    }
    let huge = [
      npy("<u8", [2], raw([0, UInt64.max])), npy("<i8", [2], raw([0, Int64.min])),
      npy("<u4", [2], raw([0, UInt32.max])), npy("<i4", [2], raw([0, 65536] as [Int32])),
    ]
    for labels in huge {
      guard case .labelOutOfRange = try error(float32, labels) else {
        Issue.record("label accepted")
        return
      }
    }
    guard
      case .countMismatch(_, features: 2, _, labels: 3) = try error(
        float32, npy("|u1", [3], [0, 1, 2]))
    else {
      Issue.record("counts")
      return
    }
    guard case .unsupported = try error(float32, npy("<f4", [2], raw([0, 1] as [Float]))) else {
      Issue.record("float labels")
      return
    }
    guard case .unsupported = try error(float32, npy("|u1", [1, 2], [0, 1])) else {
      Issue.record("labels of rank 2")
      return
    }
    let folder = try TemporaryFolder()
    let path = try folder.write("x.npy", float32)
    #expect(
      try loadError(path)
        == .missing(
          path: "\(folder.path)/labels.npy", expected: "an NPY array of integer labels"))
  }

  @Test func npy_nonFiniteIsLocated() throws {
    let values: [[Float]] = [[0, 1, 2, 3, .nan, 5], [0, 1, 2, 3, -.infinity, 5]]
    for (value, word) in zip(values, ["nan", "-inf"]) {
      let got = try error(npy("<f4", [2, 3], raw(value)))
      guard case .notFinite(_, row: 2, column: 2, found: word) = got else {
        Issue.record("\(String(describing: got))")
        return
      }
    }
    let got = try error(npy("<f8", [2, 1], raw([1e300, 0])))
    guard case .notFinite(_, row: 1, column: 1, found: "inf as float32") = got else {
      Issue.record("\(String(describing: got))")
      return
    }
  }

  @Test func npy_unsupportedVariantsAreRefused() throws {
    let values = raw([1, 2, 3, 4] as [Float])
    let files = [
      npy("<f4", [2, 2], values, fortranOrder: true), npy(">f4", [2, 2], values),
      npy("<i4", [2, 2], values), npy("<f4", [4], values), npy("|O", [2, 2], values),
      npy("<f4", [2, 2], values, version: 4),
    ]
    for (index, file) in files.enumerated() {
      guard case .unsupported = try error(file) else {
        Issue.record("file \(index) accepted")
        continue
      }
    }
    #expect(try error(files[0])?.description.contains("fortran_order True") == true)
  }

  @Test func npy_hostileShapesAreErrors() throws {
    let shapes = [
      [Int.max, Int.max], [1 << 40, 1], [0, 3], [2, 0], [2, 4], [1, 1], [Int.max, 1],
    ]
    for shape in shapes {
      let file = npy("<f4", shape, raw([1, 2, 3, 4] as [Float]))
      #expect(try error(file) != nil, "\(shape)")
    }
    // A header that claims 4 GiB of itself.
    let header = [0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7B]
    #expect(try error(header) != nil)
  }

  @Test func npyHeader_malformedTextIsAnError() {
    let texts = [
      "", "{", "{}", "{'descr'", "{'descr': ", "{'descr': '<f4", "{'descr': 3}", "x",
      "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,) 'x'}",
      "{'descr': '<f4', 'fortran_order': False}", "{'other': 1}",
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
    ]
    for text in texts {
      let bytes =
        [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8)
      #expect(throws: DataError.self, "\(text)") { try NPYHeader(bytes, path: "x.npy") }
    }
  }

  @Test func npy_truncationAtEachLengthIsAnError() throws {
    let folder = try folder(float32)
    for length in 0..<float32.count {
      try folder.write("x.npy", Array(float32.prefix(length)))
      #expect(try loadError(folder.path) != nil, "length \(length)")
    }
  }

  @Test func npy_flippedHeaderBytesNeverTrap() throws {
    let folder = try folder(float32)
    let headerBytes = float32.count - 24
    for position in 0..<headerBytes {
      var bytes = float32
      bytes[position] ^= 0x04
      try folder.write("x.npy", bytes)
      // Loading or a DataError: anything else fails the test.
      _ = try loadError(folder.path)
    }
  }
}
