/// NumPy arrays: features of rank 2 or more, [count, …], and labels or targets beside them, in files
/// of their own or in one NPZ archive.
///
/// Arrays are of any real type, byte order and axis order; unsigned bytes stay bytes. Labels are whole
/// numbers, [count] or [count, 1], or one-hot rows. Of arrays named for training and testing the
/// latter validate.
enum NPYFormat: DataFormat {
  static let expected =
    "NPY (x.npy and labels.npy, a directory or the file of x) or NPZ (x and labels, or x_train, "
    + "y_train, x_test, y_test)"

  static func recognizes(_ location: DataLocation) -> Bool {
    guard let entries = location.entries else {
      return location.name.hasSuffix(".npy") || location.name.hasSuffix(".npz")
    }
    return entries.contains {
      arrayName($0).map { Pair.features.contains($0.lowercased()) } ?? false
    }
  }

  static func load(_ location: DataLocation, _ reading: DataReading) throws -> LoadedData {
    try reading.requireNoLabel(location)
    let source: any NPYSource =
      location.name.hasSuffix(".npz") && location.entries == nil
      ? try ArchivedArrays(location) : ArrayFiles(location)
    let train = try source.trainingPair(reading.task)
    let heldOut = train.heldOut(among: source.names)
    var notes = train.notes(among: source.names, reading.task)
    if let heldOut { notes.append("held-out rows: \(heldOut.x), \(heldOut.y)") }
    let names = train.x.lowercased() == "x" ? [] : ["arrays \(train.x) and \(train.y)"]
    return try LoadedData(
      name: location.name, train: rows(train, of: source, reading),
      validation: heldOut.map { try rows($0, of: source, reading) },
      layout: DataLayout(notes: names + notes))
  }

  private static func rows(
    _ pair: Pair, of source: any NPYSource, _ reading: DataReading
  ) throws -> LabelledRows {
    let x = try source.array(pair.x, expected: "an NPY array of features")
    let isRegression = reading.task == .regression
    let y = try source.array(
      pair.y, expected: isRegression ? "an NPY array of targets" : "an NPY array of integer labels")
    guard x.shape.count >= 2 else {
      throw DataError.unsupported(
        path: x.path, expected: "features of rank 2 or more, [count, …]", found: "shape \(x.shape)")
    }
    guard y.shape[0] == x.shape[0] else {
      throw DataError.countMismatch(
        path: x.path, features: x.shape[0], labelsPath: y.path, labels: y.shape[0])
    }
    let targets: LabelledRows.Targets
    var classNames: [String]?
    if isRegression {
      let (values, count) = try y.targets()
      targets = .values(
        values, names: count == 1 ? [pair.y] : (0..<count).map { "\(pair.y)[\($0)]" })
    } else {
      let (labels, names) = try y.labels()
      (targets, classNames) = (.labels(labels), names)
    }
    return LabelledRows(
      path: x.path,
      features: try x.unsignedBytes.map(DataSet.Features.bytes) ?? .floats(x.floats()),
      targets: targets, inputs: x.count / x.shape[0], labelSource: y.path, classNames: classNames)
  }

  fileprivate static func arrayName(_ file: String) -> String? {
    file.hasSuffix(".npy") ? String(file.dropLast(4)) : nil
  }

  /// Names of features and of what belongs to them.
  fileprivate struct Pair {
    let x, y: String

    /// What is learned where nothing else is said.
    private static let usual = ["labels", "label", "y", "target", "targets"]

    /// Features' names in lower case, each with the names of what belongs to them, first ones first.
    private static let known: [(x: String, y: [String])] = [
      (
        "x_train",
        [
          "y_train", "labels_train", "train_labels", "target_train", "targets_train",
          "train_targets",
        ]
      ),
      ("train_images", ["train_labels", "train_targets"]),
      ("train_x", ["train_y", "train_labels", "train_targets"]),
      ("train_data", ["train_labels", "train_targets"]), ("x", usual), ("images", usual),
      ("data", usual), ("features", usual), ("arr_0", ["arr_1"]),
    ]

    static let features = known.map(\.x)

    /// Names that may belong to those features, in lower case. Of several the first is taken: where
    /// numbers are learned, those called targets before others, and labels last.
    static func partners(of x: String, _ task: LearningTask) -> [String] {
      let names = (known.first { $0.x == x.lowercased() }?.y ?? usual)
        .filter { $0 != x.lowercased() }
      guard task == .regression else { return names }
      let targets = names.filter { $0.contains("target") }
      let labels = names.filter { $0.contains("label") }
      return targets + names.filter { !targets.contains($0) && !labels.contains($0) } + labels
    }

    /// Says which of several arrays that may be learned is.
    func notes(among names: [String], _ task: LearningTask) -> [String] {
      let others = Self.partners(of: x, task).compactMap { wanted in
        names.first { $0.lowercased() == wanted && $0 != y }
      }
      return others.isEmpty
        ? []
        : [
          "\(y) is what is learned; \(others.joined(separator: " and ")) \(others.count == 1 ? "is" : "are") left aside"
        ]
    }

    /// The held-out arrays, those of a validation part before those of a test.
    func heldOut(among names: [String]) -> Pair? {
      for part in ["val", "valid", "test"] {
        func renamed(_ name: String) -> String? {
          guard name.lowercased().contains("train") else { return nil }
          let wanted = name.lowercased().replacing("train", with: part)
          return names.first { $0.lowercased() == wanted }
        }
        if let x = renamed(x), let y = renamed(y) { return Pair(x: x, y: y) }
      }
      return nil
    }
  }

  /// A name as it is written; lower-case ones before others.
  fileprivate static func find(_ wanted: String, among names: [String]) -> String? {
    names.first { $0 == wanted } ?? names.first { $0.lowercased() == wanted }
  }

  /// The first known pair.
  fileprivate static func pair(among names: [String], _ task: LearningTask) -> Pair? {
    for wanted in Pair.features {
      guard let x = find(wanted, among: names) else { continue }
      let partners = Pair.partners(of: wanted, task)
      if let y = partners.lazy.compactMap({ find($0, among: names) }).first {
        return Pair(x: x, y: y)
      }
    }
    return nil
  }
}

/// Arrays by name.
private protocol NPYSource {
  var names: [String] { get }

  /// - Throws: `DataError.missing`, `.unsupported` where there is none.
  func trainingPair(_ task: LearningTask) throws -> NPYFormat.Pair

  /// - Throws: `DataError`.
  func array(_ name: String, expected: String) throws -> NPYArray
}

/// The NPY files of a directory, or one with those beside it.
private struct ArrayFiles: NPYSource {
  let location: DataLocation
  let names: [String]

  init(_ location: DataLocation) {
    self.location = location
    names = (location.entries ?? location.neighbours).compactMap(NPYFormat.arrayName)
  }

  func trainingPair(_ task: LearningTask) throws -> NPYFormat.Pair {
    var given: String?
    if location.entries == nil {
      given = NPYFormat.arrayName(location.name) ?? location.name
    } else if let pair = NPYFormat.pair(among: names, task) {
      return pair
    }
    let x = given ?? names.first { NPYFormat.Pair.features.contains($0.lowercased()) } ?? "x"
    let partners = NPYFormat.Pair.partners(of: x, task)
    if let y = partners.lazy.compactMap({ NPYFormat.find($0, among: names) }).first {
      return NPYFormat.Pair(x: x, y: y)
    }
    throw DataError.missing(
      path: location.file(named: partners[0] + ".npy"),
      expected: "what is learned of \(x).npy: one of "
        + partners.map { $0 + ".npy" }.joined(separator: ", "))
  }

  func array(_ name: String, expected: String) throws -> NPYArray {
    let path = location.file(named: name + ".npy")
    return try NPYArray(try DataFile.read(path, expected: expected), path: path)
  }
}

/// The members of an NPZ archive; those that are not asked for are not looked at.
private struct ArchivedArrays: NPYSource {
  private let archive: ZipArchive
  let names: [String]

  init(_ location: DataLocation) throws {
    archive = try ZipArchive(
      RandomAccessFile(path: location.path, expected: "an NPZ archive of features and labels"))
    names = archive.entries.map(\.name).compactMap(NPYFormat.arrayName)
  }

  func trainingPair(_ task: LearningTask) throws -> NPYFormat.Pair {
    if let pair = NPYFormat.pair(among: names, task) { return pair }
    throw DataError.unsupported(
      path: archive.file.path,
      expected: "arrays x and labels or targets, x_train and y_train, or train_images and "
        + "train_labels",
      found: names.isEmpty ? "none" : names.prefix(8).joined(separator: ", "))
  }

  func array(_ name: String, expected: String) throws -> NPYArray {
    let entry = archive.entries.first { $0.name == name + ".npy" }!
    guard entry.bytes <= DataFile.maximumBytes else {
      throw DataError.tooLarge(path: archive.file.path, limit: DataFile.maximumBytes)
    }
    let member = try archive.member(entry)
    return try NPYArray(member.read(0..<member.byteCount), path: member.path)
  }
}
