import Foundation

/// A tensor's norms as measured, or why there are none.
public struct AuditedMatrix: Sendable {
  /// The tensor's name.
  public let name: String
  /// The file it is in.
  public let file: String
  /// Shape of the tensor.
  public let shape: [Int]
  /// What was measured: [first size, product of the others].
  public let rows, columns: Int
  /// Norms of W; nil where `problem` says why.
  public let norms: MatrixNorms?
  /// Norms of W − W₀ against another file; nil without one, and where `problem` says why.
  public let update: MatrixNorms?
  /// Why there are no norms, in words.
  public let problem: String?

  /// √(fan-out/fan-in) = √(rows/columns), what the spectral condition compares norms with.
  public var scale: Double { (Double(rows) / Double(columns)).squareRoot() }

  /// ‖W‖_*/√(fan-out/fan-in).
  public var ratio: Double? { norms.map { $0.spectral / scale } }

  /// ‖ΔW‖_*/√(fan-out/fan-in).
  public var updateRatio: Double? { update.map { $0.spectral / scale } }

  /// ‖ΔW‖_*/‖W‖_*; nil where W is 0.
  public var relativeUpdate: Double? {
    guard let norms, let update, norms.spectral > 0 else { return nil }
    return update.spectral / norms.spectral
  }
}

/// What an audit orders its matrices by.
public enum AuditOrder: String, Sendable, CaseIterable {
  /// ‖W‖_*/√(fan-out/fan-in), or ‖ΔW‖_*/√(fan-out/fan-in) against another file; greatest first.
  case ratio
  /// ‖W‖_* or ‖ΔW‖_*; greatest first.
  case norm
  /// The tensor's name, as text is sorted.
  case name
  /// ‖W‖_F²/‖W‖_*², or that of ΔW; smallest first.
  case stableRank = "stable-rank"
}

/// The norms of every matrix of weight files.
public struct WeightAudit {
  /// The tensors to be measured, each with the one it is compared with.
  let pairs: [(file: String, matrix: StoredMatrix, other: StoredMatrix?)]
  /// Tensors that are left out, in words: "9 vectors and scalars".
  public let leftOut: [String]

  /// Number of matrices.
  public var count: Int { pairs.count }

  /// The audit of every matrix of `files` whose name passes `filter`.
  public init(_ files: [WeightFile], filter: (String) -> Bool = { _ in true }) {
    let tensors = files.flatMap { file in file.tensors.map { (file.path, $0) } }
      .filter { filter($0.1.name) }
    pairs = tensors.compactMap { path, tensor in
      StoredMatrix(tensor).map { (path, $0, nil) }
    }
    leftOut = Self.reasons(tensors.map(\.1)) + files.flatMap(\.leftAside)
  }

  /// The audit of `file` and of its difference from `other`, tensor by tensor.
  ///
  /// - Throws: `WeightComparisonError` where they do not hold the same names and shapes.
  public init(
    _ file: WeightFile, against other: WeightFile, filter: (String) -> Bool = { _ in true }
  ) throws {
    let tensors = file.tensors.filter { filter($0.name) }
    var others = Dictionary(
      uniqueKeysWithValues: other.tensors.filter { filter($0.name) }.map { ($0.name, $0) })
    // A lone array has its file's name, which says nothing.
    if file.isSingleArray && other.isSingleArray, let tensor = tensors.first {
      others = [tensor.name: other.tensors[0]]
    }
    var error = WeightComparisonError(path: file.path, other: other.path)
    var pairs: [(String, StoredMatrix, StoredMatrix?)] = []
    for tensor in tensors {
      guard let counterpart = others.removeValue(forKey: tensor.name) else {
        error.extra.append(tensor.name)
        continue
      }
      guard counterpart.shape == tensor.shape else {
        error.reshaped.append("\(tensor.name) \(tensor.shape) and \(counterpart.shape)")
        continue
      }
      guard let matrix = StoredMatrix(tensor) else { continue }
      guard let otherMatrix = StoredMatrix(counterpart) else {
        error.reshaped.append("\(tensor.name) of \(tensor.typeName) and \(counterpart.typeName)")
        continue
      }
      pairs.append((file.path, matrix, otherMatrix))
    }
    error.missing = others.keys.sorted()
    if !error.isEmpty { throw error }
    self.pairs = pairs
    leftOut = Self.reasons(tensors) + file.leftAside
  }

  /// Measures one matrix after another.
  ///
  /// A matrix with a value that is not finite is reported as such; the others go on.
  /// - progress: called before each with its position and name.
  /// - Throws: what reading the files throws, and the measure's own errors.
  public func run(
    _ measure: some MatrixMeasure, progress: (Int, String) -> Void = { _, _ in }
  ) throws -> [AuditedMatrix] {
    try pairs.enumerated().map { index, pair in
      progress(index, pair.matrix.tensor.name)
      var norms: MatrixNorms?
      var update: MatrixNorms?
      var problem: String?
      do {
        norms = try measure.norms(of: pair.matrix)
        update = try pair.other.map {
          try measure.norms(of: MatrixDifference(matrix: pair.matrix, other: $0))
        }
      } catch let value as NotFiniteValue {
        problem =
          "\(value.text) at row \(value.row + 1), column \(value.column + 1)"
          + (norms == nil ? "" : ", in the other file or in the difference")
      }
      return AuditedMatrix(
        name: pair.matrix.tensor.name, file: pair.file, shape: pair.matrix.tensor.shape,
        rows: pair.matrix.rows, columns: pair.matrix.columns, norms: norms, update: update,
        problem: problem)
    }
  }

  /// `matrices` in the given order; those without norms come last, equals by file and name.
  public static func sorted(_ matrices: [AuditedMatrix], by order: AuditOrder) -> [AuditedMatrix] {
    func key(_ matrix: AuditedMatrix) -> Double {
      let subject = matrix.update ?? matrix.norms
      guard matrix.problem == nil, let subject else { return .infinity }
      switch order {
      case .ratio: return -subject.spectral / matrix.scale
      case .norm: return -subject.spectral
      case .name: return 0
      case .stableRank: return subject.stableRank ?? .greatestFiniteMagnitude
      }
    }
    return matrices.map { (key: key($0), matrix: $0) }.sorted { left, right in
      if order != .name && left.key != right.key { return left.key < right.key }
      let (name, other) = (left.matrix.name, right.matrix.name)
      return name == other ? left.matrix.file < right.matrix.file : precedes(name, other)
    }.map(\.matrix)
  }

  /// Numbers within names by their value, so that layer 2 is before layer 10.
  private static func precedes(_ left: String, _ right: String) -> Bool {
    let order = left.compare(right, options: .numeric)
    return order == .orderedSame ? left < right : order == .orderedAscending
  }

  private static func reasons(_ tensors: [StoredTensor]) -> [String] {
    var counts: [String: Int] = [:]
    for tensor in tensors where StoredMatrix(tensor) == nil {
      let reason =
        if tensor.type == nil {
          "of type \(tensor.typeName)"
        } else if tensor.shape.count < 2 {
          "with fewer than two dimensions (biases, gains, scalars)"
        } else {
          "without elements"
        }
      counts[reason, default: 0] += 1
    }
    return counts.sorted { $0.key < $1.key }
      .map { "\($0.value) tensor\($0.value == 1 ? "" : "s") \($0.key)" }
  }
}

/// Two weight files that do not hold the same tensors.
public struct WeightComparisonError: Error, Hashable, CustomStringConvertible {
  /// The file that is audited, and the one it is compared with.
  public let path, other: String
  /// Names that only `path` holds.
  public internal(set) var extra: [String] = []
  /// Names that only `other` holds.
  public internal(set) var missing: [String] = []
  /// Names whose shapes, or kinds of numbers, differ, with both.
  public internal(set) var reshaped: [String] = []

  init(path: String, other: String) {
    self.path = path
    self.other = other
  }

  var isEmpty: Bool { extra.isEmpty && missing.isEmpty && reshaped.isEmpty }

  /// One line with the first few names of each kind.
  public var description: String {
    func list(_ names: [String], _ what: String) -> String? {
      if names.isEmpty { return nil }
      let shown = names.prefix(5).joined(separator: ", ")
      return "\(what) \(shown)" + (names.count > 5 ? " and \(names.count - 5) more" : "")
    }
    let parts = [
      list(extra, "only the first holds"), list(missing, "only the second holds"),
      list(reshaped, "different shapes:"),
    ]
    return DataError.oneLine(
      "\(path), \(other): expected the same tensors in both; "
        + parts.compactMap(\.self).joined(separator: "; "))
  }
}
