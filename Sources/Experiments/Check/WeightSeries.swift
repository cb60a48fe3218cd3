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
  /// - progress: called with the share that is done and the width.
  /// - Throws: `DataError`, `WeightComparisonError`, `LayoutError`, and the measure's own errors.
  public func run(
    _ measure: some MatrixMeasure, progress: (Double, Int) -> Void = { _, _ in }
  ) throws -> SeriesReport {
    var matrices: [[String: AuditedMatrix]] = []
    var notes: [String] = []
    for (index, member) in members.enumerated() {
      let share = Double(index) / Double(members.count)
      let audit =
        try member.after.map {
          // ‖W₀ − W‖ is ‖ΔW‖, and the norms are then those of the start.
          try WeightAudit(member.before, against: $0, rules: rules, filter: filter)
        } ?? WeightAudit([member.before], rules: rules, filter: filter)
      let measured = try audit.run(measure) { position, _ in
        progress(share + Double(position) / Double(audit.count * members.count), member.width)
      }
      notes += audit.renamed
      let names = TensorName.canonical(measured.map(\.name))
      matrices.append(
        Dictionary(uniqueKeysWithValues: measured.map { (names[$0.name] ?? $0.name, $0) }))
    }
    return report(matrices, notes: notes.uniqued())
  }

  private func report(_ matrices: [[String: AuditedMatrix]], notes: [String]) -> SeriesReport {
    let widths = members.map(\.width)
    var exponents: [SeriesExponent] = []
    var remarks = notes
    var isReadable = true
    let names = Set(matrices.flatMap(\.keys))
    let lacking = names.filter { name in matrices.contains { $0[name] == nil } }
    if !lacking.isEmpty {
      let shown = lacking.sorted(by: WeightAudit.precedes).prefix(3).joined(separator: ", ")
      remarks.append(
        "left out: \(lacking.count) tensors that not every file has (\(shown)"
          + (lacking.count > 3 ? ", …)" : ")"))
    }
    let tensors = names.subtracting(lacking)
      .map { name in SeriesTensor(name: name, matrices: matrices.compactMap { $0[name] }) }
      .sorted(by: SeriesTensor.precedes)
    for tensor in tensors {
      if let problem = tensor.matrices.compactMap(\.problem).first {
        remarks.append("\(tensor.name): \(problem)")
        isReadable = false
        continue
      }
      for (quantity, values) in tensor.quantities {
        if values.allSatisfy({ $0 == 0 }) { continue }
        guard let fitted = fit(widths: widths, values),
          let condition = tensor.condition(quantity, widths: widths.map(Double.init))
        else {
          remarks.append(
            "\(tensor.name): \(quantity.symbol) is not positive and finite in every file")
          isReadable = false
          continue
        }
        exponents.append(
          SeriesExponent(
            tensor: tensor.name, role: tensor.role, quantity: quantity,
            values: Set(widths).sorted().map { width in
              let held = zip(widths, values).filter { $0.0 == width }.map(\.1)
              return held.reduce(0, +) / Double(held.count)
            }, fitted: fitted, condition: condition))
      }
    }
    return SeriesReport(
      widths: Set(widths).sorted(), files: widths.count,
      hasUpdates: members.contains { $0.after != nil }, exponents: exponents, remarks: remarks,
      isReadable: isReadable)
  }

  /// As `check` does where every width has as many seeds, two at least; else one line for all.
  private func fit(widths: [Int], _ values: [Double]) -> FittedExponent? {
    let groups = Dictionary(grouping: zip(widths, values)) { $0.0 }.mapValues { $0.map(\.1) }
    let sorted = groups.sorted { $0.key < $1.key }
    let seeds = sorted[0].value.count
    if seeds >= 2 && sorted.allSatisfy({ $0.value.count == seeds }) {
      return FittedExponent(widths: sorted.map { Double($0.key) }, values: sorted.map(\.value))
    }
    return FittedExponent(widths: widths.map(Double.init), ofRuns: values)
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

  /// Quantities that every file has, by file.
  var quantities: [(SpectralQuantity, [Double])] {
    [(.weightNorm, \AuditedMatrix.ratio), (.updateNorm, \.updateRatio)].compactMap {
      quantity, value in
      let values = matrices.compactMap { $0[keyPath: value] }
      return values.count == matrices.count ? (quantity, values) : nil
    }
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
      widths: widths,
      values: matrices.map { matrix in
        let shape = ParameterShape.weight(
          role: layerRole, fanIn: matrix.fanIn, fanOut: matrix.fanOut)
        let scaling = SpectralParametrization().scaling(of: shape, family: .sgd, decay: .coupled)
        return scaling.initialStd * shape.normRatio / matrix.scale
      })
  }
}
