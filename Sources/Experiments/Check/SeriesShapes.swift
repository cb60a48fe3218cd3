import Spectral

/// What the extents of tensors say of files that are said to be one network at several widths.
struct SeriesShapes {
  /// Tensors whose first extent grows with width, by their names without what wrappers put before them.
  private(set) var growingRows: Set<ExactName> = []
  /// Tensors of two and more dimensions whose extents grow with width, by the same names.
  private(set) var growing: Set<ExactName> = []
  /// Why the files are no networks of these widths; nil where they may be.
  private(set) var obstacle: String?

  /// An axis over the files.
  private struct Axis {
    let name: String
    /// By file.
    let sizes: [Int]
  }

  /// How far from 1 the exponent of an extent that is as the width may be: some are rounded to whole blocks.
  private static let proportionality = 0.25

  /// - widths: ascending, one a file, at least two different ones. tensors: by file, by name.
  /// - filter: which tensors, by the name that the file has, must have extents that grow or stay.
  init(widths: [Int], tensors: [ExactNames<StoredTensor>], filter: (String) -> Bool) {
    var (axes, judged): ([Axis], [Axis]) = ([], [])
    let names = tensors[0].names.filter { name in tensors.allSatisfy { $0[name] != nil } }
    for name in names.sorted(by: WeightAudit.precedes) {
      let shapes = tensors.compactMap { $0[name]?.shape }
      let isJudged = filter(tensors[0][name]?.name ?? name)
      guard Set(shapes.map(\.count)).count == 1 else {
        if isJudged {
          obstacle =
            obstacle ?? "\(name) has \(shapes[0].count) dimensions in one file and "
            + "\(shapes.first { $0.count != shapes[0].count }?.count ?? 0) in another"
        }
        continue
      }
      let own = shapes[0].indices.map { axis in
        Axis(name: name, sizes: shapes.map { $0[axis] })
      }
      axes += own
      if isJudged { judged += own }
      // Position embeddings may have an axis of size 1 before the table.
      let table = own.drop { $0.sizes.allSatisfy { $0 == 1 } }
      if table.count == 2, Self.grows(table[table.startIndex]) {
        growingRows.insert(ExactName(name))
      }
      if own.count >= 2, own.contains(where: Self.grows) { growing.insert(ExactName(name)) }
    }
    obstacle = obstacle ?? Self.obstacle(widths: widths, axes, judged)
  }

  private static func grows(_ axis: Axis) -> Bool { Set(axis.sizes).count > 1 }

  private static func obstacle(widths: [Int], _ axes: [Axis], _ judged: [Axis]) -> String? {
    if axes.isEmpty { return nil }
    let steps = zip(widths.indices, widths.indices.dropFirst())
    for axis in judged {
      for (file, next) in steps where axis.sizes[file] != axis.sizes[next] {
        let change =
          "\(axis.name) has an extent of \(axis.sizes[file]) in a file of width \(widths[file]) and "
          + "of \(axis.sizes[next]) in one of width \(widths[next])"
        if widths[file] == widths[next] || axis.sizes[file] > axis.sizes[next] { return change }
      }
    }
    for (file, next) in steps where widths[file] != widths[next] {
      if axes.allSatisfy({ $0.sizes[file] == $0.sizes[next] }) {
        return "the files of widths \(widths[file]) and \(widths[next]) have the same extents"
      }
    }
    let isAsTheWidth = axes.contains { axis in
      ScalingExponent.slope(over: widths.map(Double.init), values: axis.sizes.map(Double.init))
        .map { abs($0 - 1) <= proportionality } ?? false
    }
    return isAsTheWidth ? nil : "no extent of any tensor grows as the widths that were given"
  }
}
