import Testing

@testable import Experiments

@Suite struct CIFARFormatTests {
  /// A record whose image bytes all are `fill`.
  private func record(_ label: UInt8, fill: UInt8) -> [UInt8] {
    [label] + [UInt8](repeating: fill, count: 3072)
  }

  @Test func cifar_singleFileKeepsBytesAndLabels() throws {
    let folder = try TemporaryFolder()
    var image = record(9, fill: 0)
    image[1] = 17
    image[3072] = 200
    let path = try folder.write("data_batch_1.bin", image + record(3, fill: 5))
    let loaded = try DataSet.load(path: path)
    #expect(loaded.train.labels == [9, 3])
    #expect(loaded.train.inputs == 3072 && loaded.train.classes == 10)
    #expect(loaded.train[0, 0] == 17 && loaded.train[0, 3071] == 200 && loaded.train[1, 7] == 5)
    #expect(loaded.validation == nil)
    #expect(try loaded.split(seed: 0).train.count == 1)
  }

  @Test func cifar_singleFileTrainsOnAllWhereTestIsBeside() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("data_batch_1.bin", (0..<10).flatMap { record($0, fill: 1) })
    try folder.write("data_batch_2.bin", record(0, fill: 2))
    try folder.write("test_batch.bin", record(4, fill: 3) + record(5, fill: 4))
    let loaded = try DataSet.load(path: path)
    #expect(loaded.train.count == 10)
    #expect(loaded.validation?.labels == [4, 5])
    #expect(try loaded.split(seed: 0).train.count == 10)
  }

  @Test func cifar_directoryJoinsBatchesInNumberOrder() throws {
    let folder = try TemporaryFolder()
    for (name, label) in [("1", 1), ("10", 3), ("2", 2)] as [(String, UInt8)] {
      try folder.write("data_batch_\(name).bin", record(label, fill: 0))
    }
    try folder.write("batches.meta.txt", text: "airplane\n")
    #expect(try DataSet.load(path: folder.path).train.labels == [1, 2, 3])
    try folder.write("test_batch.bin", record(0, fill: 0))
    #expect(try DataSet.load(path: folder.path).validation?.count == 1)
  }

  @Test func cifar100_isToldFromCifar10() throws {
    let folder = try TemporaryFolder()
    func fine(_ coarse: UInt8, _ label: UInt8, fill: UInt8) -> [UInt8] {
      [coarse] + record(label, fill: fill)
    }
    let contents = fine(4, 99, fill: 1) + fine(19, 11, fill: 2)
    let train = try folder.write("train.bin", contents)
    try folder.write("test.bin", fine(0, 5, fill: 3))
    try folder.write("fine_label_names.txt", text: "apple\n")
    for path in [folder.path, train] {
      let loaded = try DataSet.load(path: path)
      #expect(loaded.train.labels == [99, 11] && loaded.train.classes == 100)
      #expect(loaded.train[0, 0] == 1 && loaded.train[1, 3071] == 2)
      #expect(loaded.validation?.labels == [5])
      #expect(loaded.layout.notes == ["CIFAR-100, by its fine labels"])
    }
    let other = try folder.write("some.bin", contents)
    #expect(try DataSet.load(path: other).train.classes == 100)
    #expect(throws: DataError.self) {
      try DataSet.load(path: other, DataReading(task: .regression))
    }
    try folder.write("data_batch_1.bin", record(0, fill: 0))
    #expect(try loadError(folder.path)?.description.contains("give the file of one") == true)
  }

  @Test func cifar_testBatchAloneIsSplit() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("test_batch.bin", record(0, fill: 0) + record(1, fill: 0))
    let loaded = try DataSet.load(path: path)
    #expect(loaded.train.count == 2 && loaded.validation == nil)
  }

  @Test func cifar_errorsNameFileExpectedFound() throws {
    let folder = try TemporaryFolder()
    let partial = try folder.write("data_batch_1.bin", record(0, fill: 0) + [1, 2, 3])
    #expect(
      try loadError(partial)
        == .truncated(
          path: partial, expected: "whole records of 3073 bytes",
          found: "3076 bytes, 3 after the last whole record"))
    let empty = try folder.write("data_batch_2.bin", [])
    #expect(
      try loadError(empty) == .empty(path: empty, expected: "CIFAR-10 records of 3073 bytes"))
    let label = try folder.write("data_batch_3.bin", record(0, fill: 0) + record(10, fill: 0))
    #expect(
      try loadError(label)
        == .labelOutOfRange(path: label, at: .row(2), expected: "0…9", found: "10"))
    let folderNamed = try folder.makeFolder("sub/data_batch_1.bin")
    #expect(
      try loadError("\(folder.path)/sub")
        == .unreadable(path: folderNamed, reason: "expected a regular file"))
  }
}
