import Foundation

/// Reads a Python pickle that may be hostile: as data, without calling anything.
///
/// The opcodes are interpreted; what they name and call stays a name. Only what PyTorch's state dicts are
/// made of comes to a value: texts, numbers, tuples, lists, dictionaries, tensors and their storages.
/// All else is `opaque`. Containers lie in one array and values point into it, so that neither depth nor
/// cycles matter; texts stay ranges of the pickle's bytes. An opcode makes one value at most but where a call
/// copies values that are there: of those no more are copied in all than there are bytes, so that memory
/// is at most some hundred times the pickle.
/// It is one interpreter, and so one long file.
/// Source: Python, Lib/pickletools.py; PyTorch, torch/_utils.py and torch/serialization.py.
struct Pickle {
  /// What an opcode makes.
  enum Value: Hashable {
    case none
    case bool(Bool)
    case integer(Int)
    /// A number that is no 64-bit integer.
    case number
    /// Bytes of the pickle that are a text.
    case text(Range<Int>)
    /// Index into `containers`: the elements.
    case sequence(Int)
    /// Index into `containers`: keys and values in turn.
    case dictionary(Int)
    /// Index into `globals`.
    case global(Int)
    /// Index into `storages`.
    case storage(Int)
    /// Index into `tensors`.
    case tensor(Int)
    /// What is none of these, made by the callable of this index into `globals`; -1 for sets and bytes.
    case opaque(Int)
    case mark
  }

  /// Where a tensor's values lie, as PyTorch's persistent id has it.
  struct Storage {
    /// Index into `globals`: torch.FloatStorage.
    let type: Int
    /// The name of its member, a text: "0".
    let key: Range<Int>
    /// Number of values.
    let count: Int
  }

  /// A tensor: a view of a storage.
  struct Tensor {
    let storage: Storage
    /// The value of the storage that is the tensor's first.
    let first: Int
    let shape, strides: [Int]
    /// Index into `globals` of the type where the storage does not say it: torch.float8_e4m3fn.
    let type: Int?
  }

  /// What a pickle names: texts of a module and of a name in it.
  private struct Global {
    let module, name: Range<Int>
  }

  /// What all pickles of protocol 2 and later begin with.
  static let protocolMark: UInt8 = 0x80
  /// Longest pickle; values are not in it, so that PyTorch's own have kilobytes.
  static let maximumBytes = 1 << 26
  /// Most opcodes: a hundred and fifty thousand tensors take about as many.
  static let maximumOpcodes = 1 << 22

  private(set) var containers: [[Value]] = []
  private(set) var tensors: [Tensor] = []
  /// What the pickle is of.
  private(set) var result = Value.none

  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var stack: [Value] = []
  private var memo: [Int: Value] = [:]
  private var globals: [Global] = []
  private var storages: [Storage] = []
  /// Values that calls have copied.
  private var copied = 0

  /// Reads a whole pickle.
  ///
  /// - path: of the file, for errors.
  /// - Throws: `DataError.malformed`, `.truncated`, `.unsupported`.
  init(
    _ bytes: [UInt8], path: String, maximumOpcodes: Int = Pickle.maximumOpcodes
  ) throws {
    self.bytes = bytes
    self.path = path
    var count = 0
    while true {
      count += 1
      guard count <= maximumOpcodes else {
        throw malformed("at most \(maximumOpcodes) opcodes", "more")
      }
      let opcode = UInt8(try length(1))
      if opcode == UInt8(ascii: ".") { break }
      try perform(opcode)
    }
    result = try pop()
  }

  /// The text of bytes of the pickle, invalid UTF-8 repaired.
  func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  /// The name of what made an opaque value.
  func origin(_ name: Int) -> String { name < 0 ? "bytes or a set" : qualifiedName(name) }

  /// The last part of a name: "FloatStorage", "float8_e4m3fn".
  func typeName(_ global: Int) -> String {
    let name = qualifiedName(global)
    return name.split(separator: ".").last.map(String.init) ?? name
  }

  /// The module's and its member's name, "torch.FloatStorage", of which 100 bytes each are looked at.
  private func qualifiedName(_ global: Int) -> String {
    let texts = [globals[global].module, globals[global].name].map { text($0.prefix(100)) }
    return texts.joined(separator: ".")
  }

  // MARK: Opcodes

  private mutating func perform(_ opcode: UInt8) throws {
    switch opcode {
    case Self.protocolMark:
      let version = try length(1)
      guard version <= 5 else { throw malformed("protocol 5 or earlier", "\(version)") }
    case 0x95: _ = try take(8)  // FRAME
    case UInt8(ascii: "("): push(.mark)
    case UInt8(ascii: "0"): _ = try popAny()
    case UInt8(ascii: "1"): _ = try popMarked()
    case UInt8(ascii: "2"): push(try top())
    case UInt8(ascii: "N"): push(.none)
    case 0x88: push(.bool(true))
    case 0x89: push(.bool(false))
    case UInt8(ascii: "K"): push(.integer(try length(1)))
    case UInt8(ascii: "M"): push(.integer(try length(2)))
    case UInt8(ascii: "J"):
      push(.integer(Int(Int32(truncatingIfNeeded: try take(4).littleEndian))))
    case 0x8A: push(integer(try take(length(1))))
    case 0x8B: push(integer(try take(length(4))))
    case UInt8(ascii: "I"), UInt8(ascii: "L"):
      let text = text(try line()).trimmingCharacters(in: ["L"])
      push(
        text == "00" || text == "01"
          ? .bool(text == "01") : Int(text).map { .integer($0) } ?? .number)
    case UInt8(ascii: "F"):
      _ = try line()
      push(.number)
    case UInt8(ascii: "G"):
      _ = try take(8)
      push(.number)
    case UInt8(ascii: "X"): push(.text(try range(length(4))))
    case 0x8C: push(.text(try range(length(1))))
    case 0x8D: push(.text(try range(length(8))))
    case UInt8(ascii: "T"): push(.text(try range(length(4))))
    case UInt8(ascii: "U"): push(.text(try range(length(1))))
    case UInt8(ascii: "V"): push(.text(try line()))
    case UInt8(ascii: "S"):
      let line = try line()
      push(.text(line.count >= 2 ? line.lowerBound + 1..<line.upperBound - 1 : line))
    case UInt8(ascii: "B"): try pushBytes(length(4))
    case UInt8(ascii: "C"): try pushBytes(length(1))
    case 0x8E, 0x96: try pushBytes(length(8))
    default: try performOnContainers(opcode)
    }
  }

  private mutating func performOnContainers(_ opcode: UInt8) throws {
    switch opcode {
    case UInt8(ascii: "]"), UInt8(ascii: ")"): push(sequence([]))
    case UInt8(ascii: "l"), UInt8(ascii: "t"): push(sequence(try popMarked()))
    case 0x85, 0x86, 0x87:
      var elements: [Value] = []
      for _ in 0..<(opcode - 0x84) { elements.append(try pop()) }
      push(sequence(elements.reversed()))
    case UInt8(ascii: "}"): push(dictionary([]))
    case UInt8(ascii: "d"): push(dictionary(try pairs(popMarked())))
    case 0x8F: push(.opaque(-1))
    case 0x90: _ = try popMarked()
    case 0x91:
      _ = try popMarked()
      push(.opaque(-1))
    case UInt8(ascii: "a"): try extend([pop()])
    case UInt8(ascii: "e"): try extend(popMarked())
    case UInt8(ascii: "s"):
      let value = try pop()
      try extend([pop(), value])
    case UInt8(ascii: "u"): try extend(pairs(popMarked()))
    case UInt8(ascii: "b"): _ = try pop()  // a state: attributes, such as a state dict's _metadata
    case UInt8(ascii: "q"): memo[try length(1)] = try top()
    case UInt8(ascii: "r"): memo[try length(4)] = try top()
    case UInt8(ascii: "p"): memo[try lineNumber()] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): push(try remembered(length(1)))
    case UInt8(ascii: "j"): push(try remembered(length(4)))
    case UInt8(ascii: "g"): push(try remembered(lineNumber()))
    default: try performOnNames(opcode)
    }
  }

  private mutating func performOnNames(_ opcode: UInt8) throws {
    switch opcode {
    case UInt8(ascii: "c"): push(global(module: try line(), name: try line()))
    case 0x93:
      guard case .text(let name) = try pop(), case .text(let module) = try pop() else {
        throw malformed("a module and a name in texts", "others")
      }
      push(global(module: module, name: name))
    case UInt8(ascii: "R"), 0x81:
      let arguments = try pop()
      push(try made(by: pop(), arguments))
    case 0x92:
      _ = try pop()
      let arguments = try pop()
      push(try made(by: pop(), arguments))
    case UInt8(ascii: "i"):
      let name = global(module: try line(), name: try line())
      _ = try popMarked()
      push(try made(by: name, .none))
    case UInt8(ascii: "o"):
      guard let name = try popMarked().first else { throw malformed("a class", "none") }
      push(try made(by: name, .none))
    case UInt8(ascii: "Q"): push(try storage(pop()))
    default:
      throw DataError.unsupported(
        path: path, expected: "opcodes of a state dict's pickle",
        found: "\(DataError.hex([opcode])) at byte \(position - 1)")
    }
  }

  // MARK: What calls come to

  /// What `callable` would make of a tuple of arguments; nothing is called.
  private mutating func made(by callable: Value, _ arguments: Value) throws -> Value {
    guard case .global(let index) = callable else { return .opaque(-1) }
    let elements = elements(arguments)
    switch qualifiedName(index) {
    case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
      "torch._utils._rebuild_tensor_v3":
      return try tensor(elements)
    case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
      return elements.first ?? .opaque(index)
    case "torch._tensor._rebuild_from_type_v2":
      // (function, type, arguments, state)
      guard elements.count >= 3, case .global(let function) = elements[0],
        qualifiedName(function).hasPrefix("torch._utils._rebuild_")
      else { return .opaque(index) }
      return try made(by: elements[0], elements[2])
    case "torch.Size": return elements.first ?? .opaque(index)
    case "collections.OrderedDict", "builtins.dict", "__builtin__.dict":
      // Nothing, or pairs.
      let items = elements.first.map { self.elements($0) } ?? []
      try count(copies: items.count)
      return dictionary(items.flatMap { self.elements($0).prefix(2) })
    case "collections.defaultdict": return dictionary([])
    default: return .opaque(index)
    }
  }

  /// ('storage', type, key, location, count).
  private mutating func storage(_ identifier: Value) throws -> Value {
    let elements = elements(identifier)
    guard elements.count >= 5, case .text(let kind) = elements[0], text(kind) == "storage",
      case .global(let type) = elements[1], case .text(let key) = elements[2], key.count <= 100,
      case .integer(let count) = elements[4], count >= 0
    else { throw malformed("a storage's type, key and size", "another persistent id") }
    storages.append(Storage(type: type, key: key, count: count))
    return .storage(storages.count - 1)
  }

  /// (storage, first, shape, strides, …); of version 3 the seventh is the type.
  private mutating func tensor(_ elements: [Value]) throws -> Value {
    guard elements.count >= 4, case .storage(let storage) = elements[0],
      case .integer(let first) = elements[1], first >= 0,
      let shape = sizes(elements[2]), let strides = sizes(elements[3]), shape.count == strides.count
    else { throw malformed("a tensor's storage, offset, sizes and strides", "others") }
    try count(copies: shape.count + strides.count)
    var type: Int?
    if elements.count >= 7, case .global(let index) = elements[6] { type = index }
    tensors.append(
      Tensor(
        storage: storages[storage], first: first, shape: shape, strides: strides, type: type))
    return .tensor(tensors.count - 1)
  }

  private func sizes(_ value: Value) -> [Int]? {
    guard case .sequence(let index) = value, containers[index].count <= 64 else { return nil }
    var sizes: [Int] = []
    for element in containers[index] {
      guard case .integer(let size) = element, size >= 0 else { return nil }
      sizes.append(size)
    }
    return sizes
  }

  private func elements(_ value: Value) -> [Value] {
    if case .sequence(let index) = value { containers[index] } else { [] }
  }

  private mutating func global(module: Range<Int>, name: Range<Int>) -> Value {
    globals.append(Global(module: module, name: name))
    return .global(globals.count - 1)
  }

  /// Counts values that a call copies: in honest pickles each was made for it by an opcode of its own.
  private mutating func count(copies: Int) throws {
    copied += copies
    guard copied <= bytes.count else {
      throw malformed("calls with at most \(bytes.count) values in all", "more")
    }
  }

  // MARK: Stack and bytes

  private mutating func push(_ value: Value) { stack.append(value) }

  private mutating func sequence(_ elements: [Value]) -> Value {
    containers.append(elements)
    return .sequence(containers.count - 1)
  }

  private mutating func dictionary(_ pairs: [Value]) -> Value {
    containers.append(pairs)
    return .dictionary(containers.count - 1)
  }

  private mutating func pushBytes(_ count: Int) throws {
    _ = try range(count)
    push(.opaque(-1))
  }

  private func pairs(_ items: [Value]) throws -> [Value] {
    guard items.count.isMultiple(of: 2) else { throw malformed("keys with values", "a key alone") }
    return items
  }

  /// Adds to the list or dictionary on top; what is added to something opaque is dropped.
  private mutating func extend(_ items: [Value]) throws {
    switch try top() {
    case .sequence(let index), .dictionary(let index): containers[index] += items
    case .opaque: break
    default: throw malformed("a list or a dictionary to add to", "something else")
    }
  }

  private func top() throws -> Value {
    guard let value = stack.last, value != .mark else { throw malformed("a value", "none") }
    return value
  }

  private mutating func pop() throws -> Value {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func popAny() throws -> Value {
    guard let value = stack.popLast() else { throw malformed("a value", "none") }
    return value
  }

  /// The values above the last mark, which goes too.
  private mutating func popMarked() throws -> [Value] {
    guard let mark = stack.lastIndex(of: .mark) else { throw malformed("a mark", "none") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[(mark + 1)...])
  }

  private func remembered(_ key: Int) throws -> Value {
    guard let value = memo[key] else { throw malformed("something under \(key)", "nothing") }
    return value
  }

  private mutating func range(_ count: Int) throws -> Range<Int> {
    guard count <= bytes.count - position else {
      throw DataError.truncated(
        path: path, expected: "pickle: \(count) bytes from byte \(position)",
        found: "\(bytes.count - position)")
    }
    defer { position += count }
    return position..<(position + count)
  }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> { bytes[try range(count)] }

  private mutating func length(_ width: Int) throws -> Int {
    guard let value = Int(exactly: try take(width).littleEndian) else {
      throw malformed("a length of 63 bits", "a longer one")
    }
    return value
  }

  /// Two's complement of up to 8 bytes.
  private func integer(_ bytes: ArraySlice<UInt8>) -> Value {
    guard bytes.count <= 8 else { return .number }
    guard let last = bytes.last else { return .integer(0) }
    let sign: UInt64 = last & 0x80 == 0 || bytes.count == 8 ? 0 : .max << (8 * UInt64(bytes.count))
    return .integer(Int(truncatingIfNeeded: bytes.littleEndian | sign))
  }

  private mutating func line() throws -> Range<Int> {
    guard let end = bytes[position...].firstIndex(of: 0x0A) else {
      throw DataError.truncated(path: path, expected: "pickle: the end of a line", found: "none")
    }
    defer { position = end + 1 }
    return position..<end
  }

  private mutating func lineNumber() throws -> Int {
    let range = try line()
    guard range.count < 20, let number = Int(text(range)) else {
      throw malformed("a number", DataError.quoted(text(range)))
    }
    return number
  }

  private func malformed(_ expected: String, _ found: String) -> DataError {
    .malformed(path: path, expected: "pickle: \(expected) before byte \(position)", found: found)
  }
}

extension ArraySlice<UInt8> {
  /// The unsigned integer of up to 8 little-endian bytes.
  fileprivate var littleEndian: UInt64 { reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
