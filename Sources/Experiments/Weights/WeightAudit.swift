import Foundation

/// A matrix's norms as measured, or why there are none.
public struct AuditedMatrix: Sendable {
  /// The tensor's name; of a part of a tensor that was split with its number.
  public let name: String
  /// The file it is in.
  public let file: String
  /// Shape of the tensor, as stored.
  public let shape: [Int]
  /// What its axes are.
  public let layout: TensorLayout
  /// Sizes of the matrix, as a layer multiplies by it; the fan-in of an embedding is 1.
  public let fanOut, fanIn: Int
  /// Number of matrices in a stack; of their norms the largest are given.
  public let stackSize: Int
  /// Norms of W; nil where `problem` says why. `spectral` of an embedding is the norm that it has for
  /// one-hot inputs, the largest of a row.
  public let norms: MatrixNorms?
  /// Norms of W − W₀ against another file; nil without one, and where `problem` says why.
  public let update: MatrixNorms?
  /// Why there are no norms, in words: a value that is not finite, or what is wrong with the file.
  public let problem: String?
  /// Whether the values could be read.
  public let isReadable: Bool

  /// √(fan-out/fan-in), what the spectral condition compares norms with.
  public var scale: Double { (Double(fanOut) / Double(fanIn)).squareRoot() }

  /// ‖W‖_*/√(fan-out/fan-in).
  public var ratio: Double? { norms.map { $0.spectral / scale } }

  /// ‖ΔW‖_*/√(fan-out/fan-in).
  public var updateRatio: Double? { update.map { $0.spectral / scale } }

  /// ‖ΔW‖_*/‖W‖_*; nil where W is 0.
  public var relativeUpdate: Double? {
    guard let norms, let update, norms.spectral > 0 else { return nil }
    return update.spectral / norms.spectral
  }

  /// ‖W‖_F²/‖W‖_*²; nil for zeros, and for an embedding, whose norm is another.
  public var stableRank: Double? { layout.axes == .embedding ? nil : norms?.stableRank }
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
  /// A matrix to be measured, and the one it is compared with.
  private struct Subject {
    let file: String
    let matrix: LayoutMatrix
    let others: [StoredMatrix]?
  }

  private let subjects: [Subject]
  /// Tensors that are left out, in words: "9 vectors and scalars".
  public let leftOut: [String]
  /// Names that differ in what wrappers put before them, in words; empty where none do.
  public let renamed: [String]

  /// Number of matrices.
  public var count: Int { subjects.count }

  /// The audit of every matrix of `files` whose name passes `filter`.
  ///
  /// - Throws: `LayoutError`.
  public init(
    _ files: [WeightFile], rules: LayoutRules = LayoutRules(),
    filter: (String) -> Bool = { _ in true }
  ) throws {
    subjects = try files.flatMap { file in
      try Self.distinct(
        file.tensors.filter { filter($0.name) }.flatMap { tensor in
          try rules.matrices(of: tensor).map { Subject(file: file.path, matrix: $0, others: nil) }
        })
    }
    let tensors = files.flatMap(\.tensors).filter { filter($0.name) }
    leftOut = Self.reasons(tensors) + files.flatMap(\.leftAside)
    renamed = []
  }

  /// The audit of `file` and of its difference from `other`, tensor by tensor.
  ///
  /// A tensor that the other file lacks is looked for there without what wrappers put before its name:
  /// `module.`, `model.`, `_orig_mod.`.
  /// - Throws: `WeightComparisonError` where they do not hold the same names and shapes; `LayoutError`.
  public init(
    _ file: WeightFile, against other: WeightFile, rules: LayoutRules = LayoutRules(),
    filter: (String) -> Bool = { _ in true }
  ) throws {
    let tensors = file.tensors.filter { filter($0.name) }
    let pairing = TensorPairing(file, other)
    var error = WeightComparisonError(path: file.path, other: other.path)
    var subjects: [Subject] = []
    for tensor in tensors {
      guard let counterpart = pairing.counterparts[tensor.name] else {
        error.extra.append(tensor.name)
        continue
      }
      guard counterpart.shape == tensor.shape else {
        error.reshaped.append("\(tensor.name) \(tensor.shape) and \(counterpart.shape)")
        continue
      }
      let matrices = try rules.matrices(of: tensor)
      if matrices.isEmpty { continue }
      let layout = rules.layout(of: tensor)
      let others = try LayoutMatrix.matrices(
        of: counterpart, layout: layout, pieces: rules.pieces(of: tensor))
      guard !others.isEmpty else {
        error.reshaped.append("\(tensor.name) of \(tensor.typeName) and \(counterpart.typeName)")
        continue
      }
      subjects += zip(matrices, others).map {
        Subject(file: file.path, matrix: $0, others: $1.matrices)
      }
    }
    error.missing = pairing.missing.filter(filter)
    if !error.isEmpty { throw error }
    self.subjects = try Self.distinct(subjects)
    leftOut = Self.reasons(tensors) + file.leftAside
    renamed = pairing.renamed
  }

  /// - Throws: `LayoutError.sameName` where a part of a tensor is called as another matrix of the file.
  private static func distinct(_ subjects: [Subject]) throws -> [Subject] {
    var names: Set<ExactName> = []
    for subject in subjects where !names.insert(ExactName(subject.matrix.name)).inserted {
      throw LayoutError.sameName(subject.matrix.name)
    }
    return subjects
  }

  /// Measures one matrix after another.
  ///
  /// A matrix with a value that is not finite, or that cannot be read, is reported as such; the others
  /// go on.
  /// - progress: called before each with its position and name.
  /// - Throws: the measure's own errors.
  public func run(
    _ measure: some MatrixMeasure, progress: (Int, String) -> Void = { _, _ in }
  ) throws -> [AuditedMatrix] {
    try subjects.enumerated().map { index, subject in
      let matrix = subject.matrix
      progress(index, matrix.name)
      var norms: MatrixNorms?
      var update: MatrixNorms?
      var problem: String?
      var isReadable = true
      do {
        norms = try Self.norms(of: matrix.matrices, matrix.layout, measure)
        update = try subject.others.map {
          try Self.norms(
            of: zip(matrix.matrices, $0).map { MatrixDifference(matrix: $0, other: $1) },
            matrix.layout, measure)
        }
      } catch let value as NotFiniteValue {
        problem =
          "\(value.text) at row \(value.row + 1), column \(value.column + 1)"
          + (norms == nil ? "" : ", in the other file or in the difference")
      } catch let error as DataError {
        problem = error.description
        isReadable = false
      }
      return AuditedMatrix(
        name: matrix.name, file: subject.file, shape: matrix.matrices[0].tensor.shape,
        layout: matrix.layout, fanOut: matrix.fanOut, fanIn: matrix.fanIn,
        stackSize: matrix.matrices.count, norms: norms, update: update, problem: problem,
        isReadable: isReadable)
    }
  }

  /// Norms of a layer's matrices; of several the largest, which is what the worst input meets.
  private static func norms(
    of matrices: [any MatrixRows], _ layout: TensorLayout, _ measure: some MatrixMeasure
  ) throws -> MatrixNorms {
    let all = try matrices.map {
      layout.axes == .embedding ? try rowNorm(of: $0) : try measure.norms(of: $0)
    }
    return MatrixNorms(
      spectral: all.map(\.spectral).max()!, lower: all.map(\.lower).max()!,
      upper: all.map(\.upper).max()!, frobenius: all.map(\.frobenius).max()!)
  }

  /// The norm of an embedding for one-hot inputs: the largest Euclidean norm of a row.
  ///     max_i ‖W_i‖₂ = max ‖xᵀW‖₂ over one-hot x
  private static func rowNorm(of matrix: any MatrixRows) throws -> MatrixNorms {
    var (largest, sum) = (0.0, 0.0)
    let height = max(1, (1 << 22) / matrix.columns)
    for start in stride(from: 0, to: matrix.rows, by: height) {
      let values = try matrix.values(start..<min(start + height, matrix.rows))
      for row in stride(from: 0, to: values.count, by: matrix.columns) {
        var square = 0.0
        for value in values[row..<(row + matrix.columns)] {
          square += Double(value) * Double(value)
        }
        largest = max(largest, square)
        sum += square
      }
    }
    let norm = largest.squareRoot()
    let slack = matrix.isRounded ? 0x1p-24 : 0
    return MatrixNorms(
      spectral: norm, lower: norm * (1 - slack), upper: norm * (1 + slack),
      frobenius: sum.squareRoot())
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
      case .stableRank:
        let rank = matrix.layout.axes == .embedding ? nil : subject.stableRank
        return rank ?? .greatestFiniteMagnitude
      }
    }
    return matrices.map { (key: key($0), matrix: $0) }.sorted { left, right in
      if order != .name && left.key != right.key { return left.key < right.key }
      let (name, other) = (left.matrix.name, right.matrix.name)
      return name == other ? left.matrix.file < right.matrix.file : precedes(name, other)
    }.map(\.matrix)
  }

  /// Numbers within names by their value, so that layer 2 is before layer 10.
  static func precedes(_ left: String, _ right: String) -> Bool {
    let order = left.compare(right, options: .numeric)
    return order == .orderedSame ? left < right : order == .orderedAscending
  }

  private static func reasons(_ tensors: [StoredTensor]) -> [String] {
    var counts: [String: Int] = [:]
    for tensor in tensors
    where tensor.type == nil || tensor.shape.count < 2 || tensor.shape.contains(0) {
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

/// The tensors of two files by name, where need be without what wrappers put before it.
struct TensorPairing {
  /// The other file's tensor for each name of the first.
  private(set) var counterparts = ExactNames<StoredTensor>()
  /// Names that only the other file has.
  private(set) var missing: [String] = []
  /// What was matched in spite of its name, in words.
  private(set) var renamed: [String] = []

  init(_ file: WeightFile, _ other: WeightFile) {
    var rest = ExactNames(uniqueKeysWithValues: other.tensors.map { ($0.name, $0) })
    if file.isSingleArray && other.isSingleArray {
      // A lone array has its file's name, which says nothing.
      counterparts[file.tensors[0].name] = other.tensors[0]
      return
    }
    var unmatched: [String] = []
    for tensor in file.tensors {
      if let counterpart = rest[tensor.name] {
        rest[tensor.name] = nil
        counterparts[tensor.name] = counterpart
      } else {
        unmatched.append(tensor.name)
      }
    }
    let canonical = TensorName.canonical(unmatched)
    let names = rest.names
    let shortened = TensorName.canonical(names)
    let others = ExactNames(uniqueKeysWithValues: names.map { (shortened[$0] ?? $0, $0) })
    var examples: [String] = []
    for name in unmatched {
      guard let otherName = others[canonical[name] ?? name],
        let counterpart = rest[otherName]
      else { continue }
      rest[otherName] = nil
      counterparts[name] = counterpart
      examples.append("\(name) and \(otherName)")
    }
    missing = rest.names.sorted()
    if let example = examples.first {
      renamed = [
        "matched without what wrappers put before names: \(examples.count) "
          + "tensor\(examples.count == 1 ? "" : "s") (\(example)"
          + (examples.count > 1 ? ", …)" : ")")
      ]
    }
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
    let what = parts.compactMap(\.self).joined(separator: "; ")
    return "\(path), \(other): expected the same tensors in both; \(what)".printable()
  }
}
