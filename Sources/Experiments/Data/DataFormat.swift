/// A file format that data sets load from: one type per format, listed once in `dataFormats`.
protocol DataFormat: Sendable {
  /// Names the files that are recognised, for the error where none is.
  static var expected: String { get }

  /// Whether the location looks like this format, by names or first bytes.
  static func recognizes(_ location: DataLocation) -> Bool

  /// Loads the location.
  /// - Throws: `DataError`.
  static func load(_ location: DataLocation, _ reading: DataReading) throws -> LoadedData
}

/// Every format, in the order they are tried.
private let dataFormats: [any DataFormat.Type] = [
  CIFARFormat.self, IDXFormat.self, NPYFormat.self, CSVFormat.self,
]

extension DataSet {
  /// Loads the data at a path, in the first format that recognises it by names or first bytes:
  /// - CIFAR-10 binary: a `data_batch_N.bin` file, or a directory of them. A `test_batch.bin`
  ///   beside them is the validation set; without it rows are to be split off. CIFAR-100 binary:
  ///   `train.bin`, `test.bin` likewise, with the fine labels.
  /// - IDX (MNIST), plain or gzip: a directory with `train-images-idx3-ubyte[.gz]`, or an images
  ///   file; labels by name beside it. `t10k-…` beside `train-…` is the validation set.
  /// - NPY: a directory with `x.npy` and `labels.npy` (or `X.npy`, `y.npy`), or the file of `x`. NPZ: an
  ///   archive of them. `x_test` beside `x_train` is the validation set.
  /// - CSV, plain or gzip: a file named `.csv` or `.tsv`, with or without a header.
  ///
  /// For example, `try DataSet.load(path: "houses.csv", DataReading(task: .regression, label: ["price"]))`.
  ///
  /// - reading: what is learned, and which columns of a table hold it; by default classes.
  /// - Throws: `DataError`, and no other error.
  public static func load(
    path: String, _ reading: DataReading = DataReading()
  ) throws -> LoadedData {
    let location = try DataLocation(path: path)
    guard let format = location.rowFormat else {
      throw DataError.unrecognized(
        path: path, expected: dataFormats.map { $0.expected }.joined(separator: ", or "))
    }
    return try format.load(location, reading)
  }
}

extension DataLocation {
  /// The first format of rows that recognises the location.
  var rowFormat: (any DataFormat.Type)? { dataFormats.first { $0.recognizes(self) } }
}
