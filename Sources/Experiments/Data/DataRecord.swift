/// How a store's data were read, split and normalised: the contents of `data.json`.
///
/// Rows and columns count from 0; a table's header, comments and blank lines are no rows.
struct DataRecord: Encodable {
  /// `x·scale + shift`, each one number for all columns, or one a column.
  struct Scaling: Encodable {
    let scale, shift: Numbers

    init(_ scaling: ResolvedNormalization) {
      (scale, shift) = (Numbers(scaling.scale), Numbers(scaling.shift))
    }
  }

  /// A list, or the number that is all of it.
  struct Numbers: Encodable {
    let values: [Float]

    init(_ values: [Float]) { self.values = values }

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
  let inputs: Scaling
  let targets: Scaling?
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
    targets: ResolvedNormalization?, of description: DataDescription
  ) {
    data = description
    heldOut = source.validation == nil ? "rows" : "part"
    validationRows = source.validation == nil ? split.validation : nil
    self.inputs = Scaling(inputs)
    self.targets = targets.map(Scaling.init)
    let layout = source.layout
    table = layout.featureColumns.flatMap { features in
      layout.targetColumns.map { Table(featureColumns: features, targetColumns: $0) }
    }
    classNames = layout.classNames
  }
}
