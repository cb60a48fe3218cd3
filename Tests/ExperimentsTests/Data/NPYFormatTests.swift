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

  private func load(
    _ x: [UInt8], _ labels: [UInt8] = npy("<i8", [2], raw([1, 0])),
    _ reading: DataReading = DataReading()
  ) throws -> DataSet {
    let folder = try folder(x, labels)
    return try DataSet.load(path: folder.path, reading).train
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

  @Test func npy_everyFeatureTypeByteOrderAndAxisOrderLoads() throws {
    func swapped<Value: FixedWidthInteger & BitwiseCopyable>(_ values: [Value]) -> [UInt8] {
      raw(values.map(\.bigEndian))
    }
    let half: [UInt16] = [0x3C00, 0xC000, 0x4200, 0x4400, 0x4500, 0x4600]  // 1, −2, 3, 4, 5, 6
    let numbers = [1, -2, 3, 4, 5, 6]
    let types: [(String, [UInt8])] = [
      ("<f2", raw(half)), (">f2", swapped(half)),
      (">f4", swapped(numbers.map { Float($0).bitPattern })),
      ("<f8", raw(numbers.map { Double($0) })),
      (">f8", swapped(numbers.map { Double($0).bitPattern })),
      ("|i1", raw(numbers.map { Int8($0) })), ("<i2", raw(numbers.map { Int16($0) })),
      (">i4", swapped(numbers.map { Int32($0) })), ("<i8", raw(numbers.map { Int64($0) })),
      (">i8", swapped(numbers.map { Int64($0) })),
    ]
    for (type, values) in types {
      let train = try load(npy(type, [2, 3], values))
      #expect(train.values == [1, -2, 3, 4, 5, 6], "\(type)")
      // The same bytes, first index fastest.
      let other = try load(npy(type, [2, 3], values, fortranOrder: true))
      #expect(other.values == [1, 3, 5, -2, 4, 6], "\(type)")
    }
    // [2, 2, 3] in Fortran order: value (i, j, k) at i + 2j + 4k.
    let deep = npy("|u1", [2, 2, 3], Array(0..<12), fortranOrder: true)
    #expect(
      try load(deep).values
        == [0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11])
    #expect(
      try load(npy("|b1", [2, 3], [1, 0, 1, 0, 0, 1])).values
        == [1, 0, 1, 0, 0, 1])
  }

  @Test func npy_oneHotBigEndianAndWholeLabelsLoad() throws {
    for labels in [
      npy("<f4", [2, 3], raw([0, 0, 1, 1, 0, 0] as [Float])),
      npy("|b1", [2, 3], [0, 0, 1, 1, 0, 0]), npy(">i8", [2], raw([Int64(2).bigEndian, 0])),
      npy("<f8", [2, 1], raw([2.0, 0])),
    ] {
      let train = try load(float32, labels)
      #expect(train.labels == [2, 0] && train.classes == 3)
    }
  }

  @Test func npy_targetsLoad() throws {
    let reading = DataReading(task: .regression)
    for (type, values) in [("<f4", raw([0.5, 1.5] as [Float])), ("<f8", raw([0.5, 1.5]))] {
      let data = try load(float32, npy(type, [2], values), reading)
      guard case .values([0.5, 1.5], names: ["labels"]) = data.targets else {
        Issue.record("\(data.targets)")
        return
      }
    }
    let two = try load(float32, npy("<i8", [2, 2], raw([1, 2, 3, 5])), reading)
    #expect(two.outputs == 2 && two.count == 2)
    #expect(throws: DataError.self) {
      try load(float32, npy("<f8", [2], raw([1, Double.nan])), reading)
    }
    #expect(throws: DataError.self) {
      try load(float32, npy("|u1", [2], [0, 1]), DataReading(label: ["y"]))
    }
  }

  @Test(arguments: ["target", "targets", "y", "label"])
  func npy_targetsGoByTheirNames(name: String) throws {
    let reading = DataReading(task: .regression)
    let y = npy("<f8", [2], raw([0.5, 1.5]))
    let folder = try TemporaryFolder()
    let paths = [
      try folder.write("x.npy", float32), folder.path,
      try folder.write(
        "data.npz", zip([ZipFixture("x.npy", float32), ZipFixture(name + ".npy", y)])),
    ]
    try folder.write(name + ".npy", y)
    for path in paths {
      guard
        case .values([0.5, 1.5], names: [name]) = try DataSet.load(path: path, reading).train
          .targets
      else {
        Issue.record("\(path)")
        continue
      }
    }
  }

  @Test func npy_whichOfSeveralIsLearnedIsSaid() throws {
    let folder = try TemporaryFolder()
    let (labels, targets) = (npy("<i8", [2], raw([1, 0])), npy("<f8", [2], raw([0.5, 1.5])))
    let members = [("x", float32), ("labels", labels), ("y", targets)]
    for (name, contents) in members { try folder.write(name + ".npy", contents) }
    let archive = try folder.write(
      "data.npz", zip(members.map { ZipFixture($0.0 + ".npy", $0.1) }))
    for path in [folder.path, "\(folder.path)/x.npy", archive] {
      let classes = try DataSet.load(path: path)
      #expect(classes.train.labels == [1, 0])
      #expect(classes.layout.notes == ["labels is what is learned; y is left aside"])
      let numbers = try DataSet.load(path: path, DataReading(task: .regression))
      #expect(numbers.layout.notes == ["y is what is learned; labels is left aside"])
      guard case .values([0.5, 1.5], names: ["y"]) = numbers.train.targets else {
        Issue.record("\(numbers.train.targets)")
        continue
      }
    }
  }

  @Test func npy_signsAreTwoClasses() throws {
    let folder = try folder(float32, npy("|i1", [2], [0xFF, 1]))
    let data = try DataSet.load(path: folder.path)
    #expect(data.train.labels == [0, 1] && data.layout.classNames == ["-1", "1"])
    #expect(data.layout.notes == ["labels -1 and 1 are the classes 0 and 1"])
    func parts(_ train: [UInt8], _ test: [UInt8]) throws -> [UInt32]? {
      let folder = try TemporaryFolder()
      for (part, labels) in [("train", train), ("test", test)] {
        try folder.write("x_\(part).npy", float32)
        try folder.write("y_\(part).npy", npy("|i1", [2], labels))
      }
      return try DataSet.load(path: folder.path).validation?.labels
    }
    #expect(try parts([0xFF, 1], [1, 1]) == [1, 1])
    #expect(try parts([0xFF, 1], [0xFF, 0xFF]) == [0, 0])
    #expect(throws: DataError.self) { try parts([0xFF, 1], [0, 1]) }
    #expect(throws: DataError.self) { try parts([0, 1], [0xFF, 1]) }
  }

  @Test func npy_targetsKeepSixtyFourBits() throws {
    let seconds = [1_600_000_095, 1_599_999_069]
    for y in [npy("<i8", [2], raw(seconds)), npy("<f8", [2], raw(seconds.map { Double($0) }))] {
      guard
        case .values([1_600_000_095, 1_599_999_069], _) = try load(
          float32, y, DataReading(task: .regression)
        ).targets
      else {
        Issue.record("rounded")
        continue
      }
    }
  }

  @Test func elementType_readsWhatNumPyWrites() {
    #expect(NPYElementType("<f4")?.isReal == true && NPYElementType(">i8")?.bigEndian == true)
    #expect(NPYElementType("<U3")?.width == 12 && NPYElementType("<M8[ns]")?.width == 8)
    for text in ["<f16", "<c8", "|S5", "<f3", "<b2"] {
      #expect(NPYElementType(text)?.isReal == false, "\(text)")
    }
    for text in ["", "|O", "|O8", "f4", "<f", "<x4", "<f-4"] {
      #expect(NPYElementType(text) == nil, "\(text)")
    }
  }

  @Test func npy_python2HeaderLoads() throws {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n"
    let bytes =
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
    #expect(try NPYHeader(bytes, path: "x.npy").shape == [2, 3])
    let train = try load(bytes + raw([1, 2, 3, 4, 5, 6] as [Float]))
    #expect(train.inputs == 3)
  }

  @Test func npz_arraysAreFoundByName() throws {
    let folder = try TemporaryFolder()
    let labels = npy("<i8", [2], raw([1, 0]))
    func member(_ name: String, _ contents: [UInt8]) -> ZipFixture {
      // savez and savez_compressed.
      name.hasPrefix("x") ? ZipFixture(deflated: name, contents) : ZipFixture(name, contents)
    }
    func load(_ members: [ZipFixture]) throws -> LoadedData {
      try DataSet.load(path: folder.write("data.npz", zip(members)))
    }
    for (x, y) in [
      ("x", "y"), ("X", "y"), ("x_train", "y_train"), ("train_images", "train_labels"),
      ("arr_0", "arr_1"), ("data", "target"),
    ] {
      let data = try load([
        member(y + ".npy", labels), member("objects.npy", npy("|O", [1], [0])),
        member(x + ".npy", float32),
      ])
      #expect(data.train.labels == [1, 0] && data.train.values == [1.5, -2, 3, 0, 0.25, 1e-3])
      #expect(data.validation == nil, "\(x)")
    }
    let parts = try load([
      member("x_train.npy", float32), member("y_train.npy", labels),
      member("x_test.npy", npy("<f4", [1, 3], raw([7, 8, 9] as [Float]))),
      member("y_test.npy", npy("|u1", [1], [1])),
    ])
    #expect(parts.validation?.values == [7, 8, 9] && parts.validation?.labels == [1])
    #expect(parts.layout.notes == ["arrays x_train and y_train", "held-out rows: x_test, y_test"])
    #expect(
      try loadError(folder.write("data.npz", zip([member("a.npy", float32)])))?.description
        .contains("x_train and y_train") == true)
  }

  @Test func npy_trainAndTestFilesLoad() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("x_train.npy", float32)
    try folder.write("y_train.npy", npy("|u1", [2], [0, 1]))
    try folder.write("x_test.npy", float32)
    try folder.write("y_test.npy", npy("|u1", [2], [0, 1]))
    #expect(try DataSet.load(path: folder.path).validation?.count == 2)
    #expect(try DataSet.load(path: path).validation?.count == 2)
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
    guard case .labelOutOfRange(_, at: .row(2), _, found: "-1") = negative,
      negative?.description.contains("number the classes from 0") == true
    else {
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
    let real = try error(float32, npy("<f4", [2], raw([0, 1.5] as [Float])))
    guard case .labelOutOfRange(_, at: .row(2), _, found: "1.5") = real,
      real?.description.contains("--task regression") == true
    else {
      Issue.record("real labels: \(String(describing: real))")
      return
    }
    for rows: [UInt8] in [[0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 2, 0]] {
      guard case .unsupported = try error(float32, npy("|u1", [2, 2], rows)) else {
        Issue.record("labels of rank 2")
        return
      }
    }
    let folder = try TemporaryFolder()
    let path = try folder.write("x.npy", float32)
    for location in [path, folder.path] {
      #expect(
        try loadError(location)
          == .missing(
            path: "\(folder.path)/labels.npy",
            expected: "what is learned of x.npy: one of labels.npy, label.npy, y.npy, target.npy, "
              + "targets.npy"))
    }
  }

  @Test func npy_nonFiniteIsLocated() throws {
    let values: [[Float]] = [[0, 1, 2, 3, .nan, 5], [0, 1, 2, 3, -.infinity, 5]]
    for (value, word) in zip(values, ["nan", "-inf"]) {
      let got = try error(npy("<f4", [2, 3], raw(value)))
      guard case .notFinite(_, at: .row(2), column: 2, found: word) = got else {
        Issue.record("\(String(describing: got))")
        return
      }
    }
    let got = try error(npy("<f8", [2, 1], raw([1e300, 0])))
    guard case .notFinite(_, at: .row(1), column: 1, found: "inf as float32") = got else {
      Issue.record("\(String(describing: got))")
      return
    }
  }

  @Test func npy_unsupportedVariantsAreRefused() throws {
    let values = raw([1, 2, 3, 4] as [Float])
    let files = [
      npy("<f4", [4], values), npy("|O", [2, 2], values), npy("<c8", [1, 2], values),
      npy("<f4", [2, 2], values, version: 4), npy("<U1", [2, 2], values),
    ]
    for (index, file) in files.enumerated() {
      guard case .unsupported = try error(file) else {
        Issue.record("file \(index) accepted")
        continue
      }
    }
    #expect(try error(files[1])?.description.contains("can run code") == true)
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
