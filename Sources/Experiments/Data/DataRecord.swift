/// How a store's data were read, split and normalised: the contents of `data.json`.
///
/// Rows and columns count from 0; a table's header, comments and blank lines are no rows.
struct DataRecord: Encodable {
  /// `x·scale + shift`, each one number for all columns, or one a column.
  struct Scaling<Value: Encodable & Equatable>: Encodable {
    let scale, shift: Numbers<Value>

    init(scale: [Value], shift: [Value]) {
      (self.scale, self.shift) = (Numbers(values: scale), Numbers(values: shift))
    }
  }

  /// A list, or the number that is all of it.
  struct Numbers<Value: Encodable & Equatable>: Encodable {
    let values: [Value]

    func encode(to encoder: any Encoder) throws {
      if let first = values.first, values.count > 1, values.allSatisfy({ $0 == first }) {
        try first.encode(to: encoder)
      } else {
        try values.encode(to: encoder)
      }
    }
  }

  struct Table: Encodable {
    let featureColumns, targetColumns: [Int]

    private enum CodingKeys: String, CodingKey {
      case featureColumns = "feature_columns"
      case targetColumns = "target_columns"
    }
  }

  let data: DataDescription
  /// Where the validation rows come from: the file's rows, or a part of their own.
  let heldOut: String
  /// Of the file's rows; those that are not among them train, in the file's order. nil: all of a part.
  let validationRows: [Int]?
  let inputs: Scaling<Float>
  let targets: Scaling<Double>?
  let table: Table?
  let classNames: [String]?

  private enum CodingKeys: String, CodingKey {
    case data, inputs, targets, table
    case heldOut = "held_out"
    case validationRows = "validation_rows"
    case classNames = "class_names"
  }

  init(
    _ source: LoadedData, _ split: DataSplit, inputs: ResolvedNormalization,
    targets: TargetScaling?, of description: DataDescription
  ) {
    data = description
    heldOut = source.validation == nil ? "rows" : "part"
    validationRows = source.validation == nil ? split.validation : nil
    self.inputs = Scaling(scale: inputs.scale, shift: inputs.shift)
    self.targets = targets.map { Scaling(scale: $0.scale, shift: $0.shift) }
    let layout = source.layout
    table = layout.featureColumns.flatMap { features in
      layout.targetColumns.map { Table(featureColumns: features, targetColumns: $0) }
    }
    classNames = layout.classNames
  }
}
