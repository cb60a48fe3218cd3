/// A name that is the same as another where their bytes are.
///
/// `String` compares by canonical equivalence: "é" as one scalar and as two are equal, and in a file are two
/// names. PyTorch, NumPy and ZIP compare code units.
struct ExactName: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactName, right: ExactName) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

/// A dictionary by exact names.
///
///     var sizes = ExactNames<Int>()
///     sizes["é"] = 1
///     sizes["e\u{301}"]  // nil
struct ExactNames<Value> {
  private var values: [ExactName: Value] = [:]

  /// An empty one.
  init() {}

  /// - Precondition: no name twice.
  init(uniqueKeysWithValues pairs: some Sequence<(String, Value)>) {
    values = Dictionary(uniqueKeysWithValues: pairs.map { (ExactName($0), $1) })
  }

  /// The names, in no order.
  var names: [String] { values.keys.map(\.text) }

  subscript(name: String) -> Value? {
    get { values[ExactName(name)] }
    set { values[ExactName(name)] = newValue }
  }

  subscript(name: String, default value: @autoclosure () -> Value) -> Value {
    get { values[ExactName(name), default: value()] }
    set { values[ExactName(name)] = newValue }
  }
}

extension ExactNames: Equatable where Value: Equatable {}

extension ExactNames: ExpressibleByDictionaryLiteral {
  init(dictionaryLiteral elements: (String, Value)...) {
    self.init(uniqueKeysWithValues: elements)
  }
}
