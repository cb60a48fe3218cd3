/// Files of `torch.save` since PyTorch 1.6 (.pt, .pth, .bin), tensors only: a ZIP archive with a pickle that
/// names the tensors and a member of values for each storage.
///     NAME/data.pkl · NAME/byteorder · NAME/data/0 · NAME/data/1 · …
/// Nothing of the pickle is run (`Pickle`). What is no tensor, in dictionaries within dictionaries, is left
/// aside and named.
/// Source: PyTorch, torch/serialization.py, `_save`; torch/_utils.py, `_rebuild_tensor_v2`.
enum PyTorchFile {
  /// Keys under which training scripts keep the network beside other things.
  private static let networkKeys = ["model", "state_dict", "model_state_dict", "module", "net"]
  /// Deepest nesting of dictionaries.
  private static let maximumDepth = 32
  private static let maximumNameBytes = 1000

  private static let types: [String: (name: String, format: FloatFormat?)] = [
    "FloatStorage": ("float32", .float32), "DoubleStorage": ("float64", .float64),
    "HalfStorage": ("float16", .float16), "BFloat16Storage": ("bfloat16", .bfloat16),
    "LongStorage": ("int64", nil), "IntStorage": ("int32", nil), "ShortStorage": ("int16", nil),
    "CharStorage": ("int8", nil), "ByteStorage": ("uint8", nil), "BoolStorage": ("bool", nil),
  ]

  /// The tensors of an archive, named by their keys joined with dots; nil where it is not PyTorch's.
  ///
  /// Of a checkpoint {"model": {…}, "optimizer": {…}, …} the network's tensors, without that key.
  /// - Throws: `DataError`.
  static func contents(_ archive: ZipArchive) throws -> WeightFile.Contents? {
    let ending = "data.pkl"
    guard
      let pickled = archive.entries.first(where: {
        $0.name == ending || $0.name.hasSuffix("/" + ending)
      })
    else { return nil }
    let path = archive.file.path
    // PyTorch compresses nothing; of what others have compressed no more is unpacked than the file's size.
    let limit = min(Pickle.maximumBytes, archive.file.byteCount)
    guard pickled.bytes <= limit else {
      throw DataError.malformed(
        path: path, expected: "\(pickled.name) of at most \(limit) bytes",
        found: "\(pickled.bytes)")
    }
    let member = try archive.member(pickled)
    let pickle = try Pickle(member.read(0..<member.byteCount), path: member.path)
    let root = String(pickled.name.dropLast(ending.count))
    var storages = try Storages(archive, root: root)
    var walk = Walk(pickle: pickle, path: path)
    try walk.visitRoot()
    guard !walk.tensors.isEmpty else {
      throw DataError.unsupported(
        path: path, expected: "a state dict: tensors by name",
        found: walk.others.keys.sorted().first.map {
          "\($0), which is not called: it could run code. Save model.state_dict()"
        } ?? "no tensor")
    }
    var contents = WeightFile.Contents()
    for (name, tensor) in walk.tensors {
      // A lone tensor has no name; the archive's folder is called like the file.
      contents.tensors.append(
        try storages.stored(
          tensor, of: pickle, name.isEmpty ? String(root.dropLast()) : name))
    }
    contents.leftAside = walk.leftAside
    return contents
  }

  /// The tensors that are found in a pickle's dictionaries.
  private struct Walk {
    let pickle: Pickle
    let path: String
    var tensors: [(name: String, tensor: Pickle.Tensor)] = []
    /// How many entries are no tensors, by what they are.
    var others: [String: Int] = [:]
    /// Keys of the root beside the network's.
    private var besides: [String] = []
    private var entryCount = 0
    private var nameBytes = 0
    /// A long key before many tensors is a part of every name; a million ordinary names have as many bytes.
    private static let maximumNameBytesInAll = 1 << 26
    /// A dictionary that holds another twice, which holds another twice, unfolds without end: most are
    /// held once, and the root's entries are looked at twice.
    private let maximumEntries: Int
    private var seen: Set<ExactName> = []

    init(pickle: Pickle, path: String) {
      (self.pickle, self.path) = (pickle, path)
      maximumEntries = 4 * pickle.containers.reduce(0) { $0 + $1.count } + 1000
    }

    var leftAside: [String] {
      (besides.isEmpty ? [] : ["what is not the network: \(besides.joined(separator: ", "))"])
        + others.sorted { $0.key < $1.key }.map {
          "\($0.value) \($0.value == 1 ? "entry that is no tensor" : "entries that are no tensors"): "
            + "\($0.key)"
        }
    }

    mutating func visitRoot() throws {
      let entries = try entries(pickle.result)
      let network = networkKeys.compactMap { key in
        entries.first { $0.key == key && holdsTensors($0.value) }
      }.first
      let hasTensors = entries.contains { if case .tensor = $0.value { true } else { false } }
      if let network, !hasTensors {
        try visit(network.value, name: "", depth: 1)
        besides = entries.filter { $0.key != network.key }.map { String($0.key.prefix(40)) }
        if besides.count > 8 { besides = besides.prefix(8) + ["…"] }
      } else {
        try visit(pickle.result, name: "", depth: 0)
      }
    }

    private func holdsTensors(_ value: Pickle.Value) -> Bool {
      guard case .dictionary(let index) = value else { return false }
      return pickle.containers[index].contains { if case .tensor = $0 { true } else { false } }
    }

    private mutating func visit(_ value: Pickle.Value, name: String, depth: Int) throws {
      switch value {
      case .tensor(let index):
        guard seen.insert(ExactName(name)).inserted else {
          throw malformed("each name once", "\(DataError.quoted(name)) again")
        }
        nameBytes += name.utf8.count
        guard nameBytes <= Walk.maximumNameBytesInAll else {
          throw malformed("at most \(Walk.maximumNameBytesInAll) bytes of names", "more")
        }
        tensors.append((name, pickle.tensors[index]))
      case .dictionary, .sequence:
        guard depth <= maximumDepth else {
          throw malformed("at most \(maximumDepth) levels of dictionaries", "more")
        }
        for (key, value) in try entries(value) {
          let inner = name.isEmpty ? key : "\(name).\(key)"
          guard inner.utf8.count <= maximumNameBytes else {
            throw malformed("names of at most \(maximumNameBytes) bytes", DataError.quoted(inner))
          }
          try visit(value, name: inner, depth: depth + 1)
        }
      case .opaque(let origin): others[pickle.origin(origin), default: 0] += 1
      case .global(let origin): others[pickle.origin(origin), default: 0] += 1
      case .none, .bool, .integer, .number, .text, .storage, .mark: break
      }
    }

    /// The entries of a dictionary, a later one in place of an earlier one of its key, or those of a
    /// list, by number.
    private mutating func entries(
      _ value: Pickle.Value
    ) throws -> [(key: String, value: Pickle.Value)] {
      var entries: [(key: String, value: Pickle.Value)] = []
      switch value {
      case .dictionary(let index):
        let items = pickle.containers[index]
        var places = ExactNames<Int>()
        for position in stride(from: 0, to: items.count - 1, by: 2) {
          let key: String
          switch items[position] {
          case .text(let range): key = pickle.text(range.prefix(maximumNameBytes + 1))
          case .integer(let number): key = "\(number)"
          default: continue
          }
          if let place = places[key] {
            entries[place].value = items[position + 1]
          } else {
            places[key] = entries.count
            entries.append((key, items[position + 1]))
          }
        }
      case .sequence(let index):
        for (position, element) in pickle.containers[index].enumerated() {
          switch element {
          case .tensor, .dictionary, .sequence, .opaque: entries.append(("\(position)", element))
          default: break
          }
        }
        entryCount += pickle.containers[index].count
      default: return []
      }
      entryCount += entries.count
      guard entryCount <= maximumEntries else {
        throw malformed("at most \(maximumEntries) entries", "more")
      }
      return entries
    }

    private func malformed(_ expected: String, _ found: String) -> DataError {
      .malformed(path: path, expected: "PyTorch file: \(expected)", found: found)
    }
  }

  /// The members that hold values.
  private struct Storages {
    private let archive: ZipArchive
    private let root: String
    private let bigEndian: Bool
    private let entries: ExactNames<ZipArchive.Entry>
    private var members = ExactNames<ZipMember>()

    init(_ archive: ZipArchive, root: String) throws {
      (self.archive, self.root) = (archive, root)
      entries = ExactNames(uniqueKeysWithValues: archive.entries.map { ($0.name, $0) })
      if let entry = entries[root + "byteorder"], entry.bytes <= 16 {
        let member = try archive.member(entry)
        bigEndian = try member.read(0..<member.byteCount) == Array("big".utf8)
      } else {
        bigEndian = false
      }
    }

    /// - Throws: `DataError.malformed` where the tensor reaches beyond its storage.
    mutating func stored(
      _ tensor: Pickle.Tensor, of pickle: Pickle, _ name: String
    ) throws -> StoredTensor {
      let path = archive.file.path
      let storage = tensor.storage
      let storageType = pickle.typeName(storage.type)
      let known = tensor.type == nil ? types[storageType] : nil
      let typeName = known?.name ?? tensor.type.map(pickle.typeName) ?? storageType
      let memberName = root + "data/" + pickle.text(storage.key)
      guard let entry = entries[memberName] else {
        throw DataError.malformed(
          path: path, expected: "PyTorch file: the values of \(DataError.quoted(name))",
          found: "no member \(DataError.quoted(memberName))")
      }
      let extent = "\(tensor.shape) by \(tensor.strides) from \(tensor.first)"
      guard let count = Self.product(tensor.shape, and: 1),
        let last = Self.last(tensor.shape, tensor.strides, first: tensor.first)
      else {
        throw DataError.malformed(
          path: path, expected: "PyTorch file: sizes that 63 bits count", found: extent)
      }
      let member = try members[memberName] ?? archive.member(entry)
      members[memberName] = member
      if let format = known?.format, count > 0 {
        guard last < storage.count, count <= storage.count,
          let bytes = Self.product([storage.count], and: format.width), bytes <= entry.bytes
        else {
          throw DataError.malformed(
            path: path,
            expected: "PyTorch file: \(DataError.quoted(name)) within \(storage.count) values in "
              + "\(entry.bytes) bytes", found: extent)
        }
      }
      return StoredTensor(
        name: name, shape: tensor.shape, typeName: typeName,
        type: known?.format.map { NumericType($0, bigEndian: bigEndian) }, strides: tensor.strides,
        source: member,
        offset: count > 0 ? tensor.first * (known?.format?.width ?? 0) : 0)
    }

    private static func product(_ sizes: [Int], and factor: Int) -> Int? {
      var product = factor
      for size in sizes {
        let (next, overflow) = product.multipliedReportingOverflow(by: size)
        if overflow { return nil }
        product = next
      }
      return product
    }

    /// The value of the storage that is the tensor's last.
    private static func last(_ sizes: [Int], _ strides: [Int], first: Int) -> Int? {
      var last = first
      for (size, stride) in zip(sizes, strides) where size > 1 {
        let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
        let (next, more) = last.addingReportingOverflow(step)
        if overflow || more { return nil }
        last = next
      }
      return last
    }
  }
}
