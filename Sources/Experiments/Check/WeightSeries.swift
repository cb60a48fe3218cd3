import Spectral

/// Weights of one network at several widths, from files of anyone's: how does each tensor's norm, and that
/// of its update, grow with width?
public struct WeightSeries {
  /// The files of one network.
  public struct Member {
    /// The network's width.
    public let width: Int
    /// The weights at the start.
    public let before: WeightFile
    /// The same after a step; nil where only the start is judged.
    public let after: WeightFile?

    /// A network's files.
    public init(width: Int, before: WeightFile, after: WeightFile?) {
      (self.width, self.before, self.after) = (width, before, after)
    }
  }

  private let members: [Member]
  private let rules: LayoutRules
  private let filter: (String) -> Bool

  /// A series of `members`, of which those of one width are seeds.
  ///
  /// - members: of at least two widths.
  /// - filter: which tensors count, by name.
  public init(
    _ members: [Member], rules: LayoutRules = LayoutRules(),
    filter: @escaping (String) -> Bool = { _ in true }
  ) {
    precondition(Set(members.map(\.width)).count >= 2, "a series of fewer than two widths")
    self.members = members.sorted { $0.width < $1.width }
    (self.rules, self.filter) = (rules, filter)
  }

  /// Measures every tensor of every network and fits exponents.
  ///
  /// What is not judged, of what there is to judge, is said in the report, which then passes nothing.
  /// - progress: called with the share that is done and the width.
  /// - Throws: `DataError`, `WeightComparisonError`, `LayoutError`, and the measure's own errors.
  public func run(
    _ measure: some MatrixMeasure, progress: (Double, Int) -> Void = { _, _ in }
  ) throws -> SeriesReport {
    let names = members.map { TensorName.canonical($0.before.tensors.map(\.name)) }
    let tensors = zip(members, names).map { member, names in
      ExactNames(
        uniqueKeysWithValues: member.before.tensors.map { (names[$0.name] ?? $0.name, $0) })
    }
    let shapes = SeriesShapes(widths: members.map(\.width), tensors: tensors, filter: filter)
    if let obstacle = shapes.obstacle {
      return report(exponents: [], remarks: [], unjudged: [], obstacle: obstacle)
    }
    var matrices: [ExactNames<AuditedMatrix>] = []
    var findings = SeriesFindings()
    var renamed: [String] = []
    for (index, member) in members.enumerated() {
      let share = Double(index) / Double(members.count)
      var rules = rules
      for tensor in member.before.tensors {
        let name = ExactName(names[index][tensor.name] ?? tensor.name)
        if shapes.growingRows.contains(name) {
          rules.growingRows.insert(ExactName(tensor.name))
        }
      }
      let audit =
        try member.after.map {
          // ‖W₀ − W‖ is ‖ΔW‖, and the norms are then those of the start.
          try WeightAudit(member.before, against: $0, rules: rules, filter: filter)
        } ?? WeightAudit([member.before], rules: rules, filter: filter)
      let measured = try audit.run(measure) { position, _ in
        progress(share + Double(position) / Double(audit.count * members.count), member.width)
      }
      renamed += audit.renamed
      let names = TensorName.canonical(measured.map(\.name))
      matrices.append(
        ExactNames(uniqueKeysWithValues: measured.map { (names[$0.name] ?? $0.name, $0) }))
    }
    findings.remarks = renamed.uniqued()
    noteUnread(tensors, shapes, in: &findings)
    return report(matrices, findings)
  }

  /// Says which matrices are in the files and cannot be measured.
  private func noteUnread(
    _ tensors: [ExactNames<StoredTensor>], _ shapes: SeriesShapes,
    in findings: inout SeriesFindings
  ) {
    var types = ExactNames<String>()
    for file in tensors {
      for name in file.names {
        guard let tensor = file[name], tensor.type == nil, tensor.shape.count >= 2,
          !tensor.shape.contains(0), filter(tensor.name)
        else { continue }
        // Masks and tables of positions do not grow with width; of integers only weights do.
        let isFloat = tensor.typeName.lowercased().hasPrefix("f") || tensor.typeName.contains("V")
        guard isFloat || shapes.growing.contains(ExactName(name)) else { continue }
        types[name] = tensor.typeName
      }
    }
    for name in types.names.sorted(by: WeightAudit.precedes) {
      findings.skip(name, "values of type \(types[name] ?? "") are not read")
    }
    let unread = members.flatMap { $0.before.unread + ($0.after?.unread ?? []) }
      .filter { filter($0.name) }
    for (name, reasons) in Dictionary(grouping: unread, by: { ExactName($0.name) })
      .sorted(by: { WeightAudit.precedes($0.key.text, $1.key.text) })
    {
      findings.skip(
        name.text, "cannot be read in \(reasons.count) of the files; \(reasons[0].reason)")
    }
    for part in members.flatMap({ $0.before.leftAside + ($0.after?.leftAside ?? []) }).uniqued() {
      findings.remarks.append("left out: \(part)")
    }
  }

  private func report(
    _ matrices: [ExactNames<AuditedMatrix>], _ found: SeriesFindings
  ) -> SeriesReport {
    let widths = members.map(\.width)
    var findings = found
    let names = Set(matrices.flatMap { $0.names.map { ExactName($0) } }).map(\.text)
    let lacking = names.filter { name in matrices.contains { $0[name] == nil } }
    findings.skip(lacking, "which not every file has")
    let tensors = names.filter { name in matrices.allSatisfy { $0[name] != nil } }
      .map { name in SeriesTensor(name: name, matrices: matrices.compactMap { $0[name] }) }
      .sorted(by: SeriesTensor.precedes)
    let hasUpdates = members.contains { $0.after != nil }
    var exponents: [SeriesExponent] = []
    var (zeros, still): ([String], [String]) = ([], [])
    for tensor in tensors {
      if let problem = tensor.matrices.compactMap(\.problem).first {
        findings.skip(tensor.name, problem)
        continue
      }
      if Set(tensor.matrices.map(\.layout)).count > 1 {
        findings.skip(
          tensor.name, "is read in more than one way; decide with --transpose or --as-stored")
        continue
      }
      findings.read(tensor.name, tensor.matrices[0])
      for (quantity, values) in tensor.quantities(withUpdates: hasUpdates) {
        if values.allSatisfy({ $0 == 0 }) {
          if quantity == .weightNorm {
            zeros.append(tensor.name)
          } else {
            still.append(tensor.name)
          }
          // A readout may start at 0; what does not grow with width and is not trained is no weight.
          let isFine = tensor.role == (quantity == .weightNorm ? .readout : .fixed)
          if !isFine { findings.unjudged.append(tensor.name) }
          continue
        }
        guard let fitted = fit(widths: widths, values),
          let condition = tensor.condition(quantity, widths: widths.map(Double.init))
        else {
          findings.skip(
            tensor.name, "\(quantity.symbol) is not positive and finite in every file")
          continue
        }
        exponents.append(
          SeriesExponent(
            tensor: tensor.name, role: tensor.role, quantity: quantity,
            values: Set(widths).sorted().map { width in
              let held = zip(widths, values).filter { $0.0 == width }.map(\.1)
              return held.reduce(0, +) / Double(held.count)
            }, fitted: fitted, condition: condition,
            isDoubtful: CheckReport.doubt(about: widths, .width) != nil))
      }
    }
    findings.list(zeros, "0 at the start in every file, which has no exponent")
    findings.list(still, "the same in both files of each pair: there is no update to judge")
    return report(
      exponents: exponents, remarks: findings.remarks + findings.readings,
      unjudged: findings.unjudged.uniqued(), obstacle: nil)
  }

  private func report(
    exponents: [SeriesExponent], remarks: [String], unjudged: [String], obstacle: String?
  ) -> SeriesReport {
    SeriesReport(
      widths: Set(members.map(\.width)).sorted(), files: members.count,
      hasUpdates: members.contains { $0.after != nil }, exponents: exponents, remarks: remarks,
      unjudged: unjudged, obstacle: obstacle)
  }

  /// As `check` does where every width has as many seeds, two at least; else one line for all.
  private func fit(widths: [Int], _ values: [Double]) -> FittedExponent? {
    let groups = Dictionary(grouping: zip(widths, values)) { $0.0 }.mapValues { $0.map(\.1) }
    let sorted = groups.sorted { $0.key < $1.key }
    let seeds = sorted[0].value.count
    if seeds >= 2 && sorted.allSatisfy({ $0.value.count == seeds }) {
      return FittedExponent(over: sorted.map { Double($0.key) }, values: sorted.map(\.value))
    }
    return FittedExponent(over: widths.map(Double.init), ofRuns: values)
  }
}

/// A tensor over the files of a series.
private struct SeriesTensor {
  let name: String
  /// In the order of the files.
  let matrices: [AuditedMatrix]
  let role: SeriesExponent.Role

  init(name: String, matrices: [AuditedMatrix]) {
    (self.name, self.matrices) = (name, matrices)
    func grows(_ size: KeyPath<AuditedMatrix, Int>) -> Bool {
      Set(matrices.map { $0[keyPath: size] }).count > 1
    }
    role =
      if matrices[0].layout.axes == .embedding {
        .embedding
      } else {
        switch (grows(\.fanIn), grows(\.fanOut)) {
        case (false, true): .input
        case (true, false): .readout
        case (true, true): .hidden
        case (false, false): .fixed
        }
      }
  }

  /// From the input to the readout, as far as extents tell, then by name.
  static func precedes(_ left: SeriesTensor, _ right: SeriesTensor) -> Bool {
    let order = SeriesExponent.Role.allCases
    let places = [left, right].map { order.firstIndex(of: $0.role)! }
    return places[0] == places[1]
      ? WeightAudit.precedes(left.name, right.name) : places[0] < places[1]
  }

  /// Quantities by file; NaN where a file has none.
  func quantities(withUpdates: Bool) -> [(SpectralQuantity, [Double])] {
    [(.weightNorm, matrices.map { $0.ratio ?? .nan })]
      + (withUpdates ? [(.updateNorm, matrices.map { $0.updateRatio ?? .nan })] : [])
  }

  /// The exponent that the condition needs at these widths: of an update 0, of the start that of a
  /// Gaussian matrix under the spectral parametrization,
  ///     σ(√out + √in)/√(out/in)
  /// which small widths move: of an input layer narrower than its inputs it falls.
  func condition(_ quantity: SpectralQuantity, widths: [Double]) -> Double? {
    guard quantity == .weightNorm, role != .embedding else { return 0 }
    let layerRole: LayerRole =
      switch role {
      case .input: .input
      case .readout: .readout
      case .hidden, .fixed, .embedding: .hidden
      }
    return ScalingExponent.slope(
      over: widths,
      values: matrices.map { matrix in
        let shape = ParameterShape.weight(
          role: layerRole, fanIn: matrix.fanIn, fanOut: matrix.fanOut)
        let scaling = SpectralParametrization().scaling(of: shape, family: .sgd, decay: .coupled)
        return scaling.initialStd * shape.normRatio / matrix.scale
      })
  }
}

/// What is to be said of a series beside its exponents.
private struct SeriesFindings {
  var remarks: [String] = []
  /// Tensors of which something was not judged.
  var unjudged: [String] = []
  /// Tensors by how their axes were read, where that is not as usual.
  private var layouts: [String: [String]] = [:]

  /// A tensor that is not judged, and why.
  mutating func skip(_ name: String, _ reason: String) {
    unjudged.append(name)
    remarks.append("\(name): \(reason)")
  }

  /// Tensors that are not judged for one reason.
  mutating func skip(_ names: [String], _ reason: String) {
    unjudged += names.sorted(by: WeightAudit.precedes)
    list(names, reason, before: "left out: ")
  }

  /// Some tensors of one kind, the first three by name.
  mutating func list(_ names: [String], _ what: String, before head: String = "") {
    if names.isEmpty { return }
    let shown = names.sorted(by: WeightAudit.precedes).prefix(3).joined(separator: ", ")
    remarks.append(
      "\(head)\(names.count) tensor\(names.count == 1 ? "" : "s"), \(what): \(shown)"
        + (names.count > 3 ? ", …" : ""))
  }

  /// How a tensor was read.
  mutating func read(_ name: String, _ matrix: AuditedMatrix) {
    let layout = matrix.layout
    if layout.origin == .usual && matrix.shape.count == 2 { return }
    let text =
      "read as \(layout.text(dimensions: matrix.shape.count))"
      + (layout.axes == .embedding ? ", norm of the largest row over √width" : "")
      + (layout.isStacked ? ", the largest of each stack" : "")
    let why =
      switch layout.origin {
      case .usual: ", flattened to out × in·k·…"
      case .name: ", by name"
      case .extents: ", whatever its name says, as the first extent grows with width"
      case .option: ", as asked"
      }
    layouts[text + why, default: []].append(name)
  }

  /// How tensors were read, a sentence each.
  var readings: [String] {
    layouts.sorted { $0.key < $1.key }.map { text, names in
      "\(text): \(names.prefix(3).joined(separator: ", "))" + (names.count > 3 ? ", …" : "")
    }
  }
}
