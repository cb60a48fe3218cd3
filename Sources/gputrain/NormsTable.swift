import Experiments
import Foundation

/// The matrices of an audit as text, CSV and records.
struct NormsTable {
  private let matrices: [AuditedMatrix]
  private let showsFiles, showsUpdates: Bool

  init(_ matrices: [AuditedMatrix], showsFiles: Bool, showsUpdates: Bool) {
    self.matrices = matrices
    self.showsFiles = showsFiles
    self.showsUpdates = showsUpdates
  }

  /// One matrix of `--json`; numbers that are not known are null.
  struct Record: Encodable {
    let matrix: AuditedMatrix
    let showsFile, showsUpdate: Bool

    private enum Key: String, CodingKey {
      case name, shape, ratio, lower, upper, flattened, layout, file, problem
      case spectralNorm = "spectral_norm"
      case frobeniusNorm = "frobenius_norm"
      case stableRank = "stable_rank"
      case updateSpectralNorm = "update_spectral_norm"
      case updateRatio = "update_ratio"
      case relativeUpdate = "relative_update"
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(matrix.name, forKey: .name)
      try container.encode(matrix.shape, forKey: .shape)
      try container.encode(matrix.norms?.spectral, forKey: .spectralNorm)
      try container.encode(matrix.norms?.lower, forKey: .lower)
      try container.encode(matrix.norms?.upper, forKey: .upper)
      try container.encode(matrix.ratio, forKey: .ratio)
      try container.encode(matrix.norms?.frobenius, forKey: .frobeniusNorm)
      try container.encode(matrix.stableRank, forKey: .stableRank)
      if matrix.shape.count > 2 {
        try container.encode([matrix.fanOut, matrix.fanIn], forKey: .flattened)
      }
      if matrix.layout.origin != .usual {
        try container.encode(
          matrix.layout.text(dimensions: matrix.shape.count), forKey: .layout)
      }
      if showsFile { try container.encode(matrix.file, forKey: .file) }
      if showsUpdate {
        try container.encode(matrix.update?.spectral, forKey: .updateSpectralNorm)
        try container.encode(matrix.updateRatio, forKey: .updateRatio)
        try container.encode(matrix.relativeUpdate, forKey: .relativeUpdate)
      }
      try container.encodeIfPresent(matrix.problem, forKey: .problem)
    }
  }

  var records: [Record] {
    matrices.map { Record(matrix: $0, showsFile: showsFiles, showsUpdate: showsUpdates) }
  }

  /// What could not be measured, a line each.
  var problems: [String] {
    matrices.compactMap { matrix in
      matrix.problem.map {
        "\(matrix.isReadable ? "not finite" : "unreadable"): \(name(matrix)): \($0.printable())"
      }
    }
  }

  /// What else is to be said beside the numbers, a line each: what was taken for granted first.
  var notes: [String] {
    let flattened = matrices.filter { $0.shape.count > 2 && $0.layout.origin == .usual }.count
    let groups = Dictionary(grouping: matrices.filter { $0.layout.origin != .usual }) {
      layoutText($0)
    }
    return
      (flattened == 0
      ? [] : ["flattened: \(flattened) of more dimensions, [out, in, k, …] as out × in·k·…"])
      + groups.sorted { $0.key < $1.key }.map { text, group in
        "\(text): \(group.count) (\(name(group[0]))\(group.count > 1 ? ", …" : ""))"
      }
      + (groups.isEmpty
        ? []
        : [
          "†: --transpose, --batch-axis, --embedding and --as-stored decide otherwise"
        ])
  }

  private func layoutText(_ matrix: AuditedMatrix) -> String {
    "read as \(matrix.layout.text(dimensions: matrix.shape.count))"
      + (matrix.layout.axes == .embedding ? ", norm of the largest row over √width" : "")
      + (matrix.layout.isStacked ? ", the largest of each stack" : "")
      + (matrix.layout.origin == .name ? ", by name" : ", as asked")
  }

  /// Columns set to the right but for the name and the shape.
  var text: String {
    let titles =
      showsUpdates
      ? ["matrix", "shape", "‖W‖*", "‖ΔW‖*", "[lower, upper]", "/√(out/in)", "‖ΔW‖*/‖W‖*"]
      : ["matrix", "shape", "‖W‖*", "[lower, upper]", "/√(out/in)", "‖W‖F", "stable"]
    let rows = [titles] + matrices.map(cells)
    let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return column < 2 ? row[column] + padding : padding + row[column]
      }.joined(separator: " ")
    }.joined(separator: "\n")
  }

  private func cells(_ matrix: AuditedMatrix) -> [String] {
    let sizes =
      matrix.layout.axes == .embedding ? matrix.shape.suffix(2) : [matrix.fanOut, matrix.fanIn]
    let shape =
      (matrix.layout.isStacked ? "\(matrix.stackSize)·" : "")
      + sizes.map(String.init).joined(separator: "×")
      + (matrix.layout.axes != .outputFirst || matrix.layout.isStacked
        ? "†" : matrix.shape.count > 2 ? "*" : "")
    let subject = showsUpdates ? matrix.update : matrix.norms
    let bracket = subject.map { "[\(number($0.lower)), \(number($0.upper))]" } ?? "-"
    let head = [name(matrix), shape, number(matrix.norms?.spectral)]
    return head
      + (showsUpdates
        ? [
          number(matrix.update?.spectral), bracket, number(matrix.updateRatio),
          number(matrix.relativeUpdate),
        ]
        : [
          bracket, number(matrix.ratio), number(matrix.norms?.frobenius),
          matrix.layout.axes == .embedding ? "-" : number(matrix.stableRank),
        ])
  }

  private func name(_ matrix: AuditedMatrix) -> String {
    (showsFiles ? "\(matrix.file):\(matrix.name)" : matrix.name).printable()
  }

  private func number(_ value: Double?) -> String {
    value.map { String(format: "%.4g", $0) } ?? "nan"
  }

  /// A line of titles and a line a matrix; nothing stands for what is not known.
  var csv: String {
    var titles = [
      "name", "shape", "spectral_norm", "lower", "upper", "ratio", "frobenius_norm", "stable_rank",
    ]
    if showsFiles { titles.append("file") }
    if showsUpdates { titles += ["update_spectral_norm", "update_ratio", "relative_update"] }
    let lines = matrices.map { matrix in
      var fields = [
        matrix.name.csvCell, matrix.shape.map(String.init).joined(separator: "x"),
      ]
      fields += [
        matrix.norms?.spectral, matrix.norms?.lower, matrix.norms?.upper, matrix.ratio,
        matrix.norms?.frobenius, matrix.stableRank,
      ].map { $0.map { "\($0)" } ?? "" }
      if showsFiles { fields.append(matrix.file.csvCell) }
      if showsUpdates {
        fields += [matrix.update?.spectral, matrix.updateRatio, matrix.relativeUpdate]
          .map { $0.map { "\($0)" } ?? "" }
      }
      return fields.joined(separator: ",")
    }
    return ([titles.joined(separator: ",")] + lines).joined(separator: "\n")
  }
}
