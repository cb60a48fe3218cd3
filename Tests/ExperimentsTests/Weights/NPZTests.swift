import Foundation
import Testing

@testable import Experiments

@Suite struct NPZTests {
  /// [2, 3] in rows, and the same array with the first index running fastest.
  private let values: [Float] = [1, 2, 3, 4, 5, 6]
  private var rowMajor: [UInt8] { npy("<f4", [2, 3], raw(values)) }
  private var columnMajor: [UInt8] {
    npy("<f4", [2, 3], raw([1, 4, 2, 5, 3, 6] as [Float]), fortranOrder: true)
  }

  private func open(_ bytes: [UInt8], name: String = "w.npz") throws -> [String: [Float]] {
    let folder = try TemporaryFolder()
    let file = try WeightFile(path: folder.write(name, bytes))
    return try Dictionary(
      uniqueKeysWithValues: file.tensors.compactMap { tensor in
        try StoredMatrix(tensor).map { (tensor.name, try $0.values(0..<$0.rows)) }
      })
  }

  private func expectError(
    _ bytes: [UInt8], name: String = "w.npz", _ parts: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = try weightError(bytes, name: name)?.description ?? "accepted"
    #expect(text != "accepted", sourceLocation: sourceLocation)
    for part in parts { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
  }

  @Test func npy_isReadInEveryTypeAndOrder() throws {
    let files: [[UInt8]] = [
      rowMajor, columnMajor, npy("<f8", [2, 3], raw(values.map(Double.init))),
      npy(">f4", [2, 3], raw(values.map(\.bitPattern.byteSwapped))),
      npy("<f2", [2, 3], raw([0x3C00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600] as [UInt16])),
      npy("<f4", [2, 3], raw(values), version: 2),
    ]
    for file in files { #expect(try open(file, name: "w.npy") == ["w": values]) }
  }

  /// [2, 2, 3] in column-major order: value = index in row-major order.
  @Test func fortranOrder_ofMoreDimensions_isUndone_alsoInParts() throws {
    var stored: [Float] = []
    for k in 0..<3 {
      for j in 0..<2 { for i in 0..<2 { stored.append(Float(i * 6 + j * 3 + k)) } }
    }
    let npy = npy("<f4", [2, 2, 3], raw(stored), fortranOrder: true)
    for file in [npy, zip([ZipFixture("w.npy", npy)]), zip([ZipFixture(deflated: "w.npy", npy)])] {
      let folder = try TemporaryFolder()
      let tensor = try WeightFile(path: folder.write("w", file)).tensors[0]
      let matrix = try #require(StoredMatrix(tensor))
      #expect(matrix.rows == 2 && matrix.columns == 6)
      #expect(try matrix.values(0..<2) == (0..<12).map { Float($0) })
      #expect(try matrix.values(1..<2) == (6..<12).map { Float($0) })
      #expect(try matrix.values(0..<1) == (0..<6).map { Float($0) })
    }
  }

  @Test func npz_storedDeflatedAndWide_areRead() throws {
    let expected = ["a": values, "dir/b": values]
    for wide in [false, true] {
      let stored = zip(
        [ZipFixture("a.npy", rowMajor), ZipFixture("dir/b.npy", columnMajor)], wide: wide)
      #expect(try open(stored) == expected)
      let deflated = zip(
        [
          ZipFixture(deflated: "a.npy", rowMajor), ZipFixture("readme.txt", [1]),
          ZipFixture(deflated: "dir/b.npy", columnMajor),
        ], wide: wide)
      #expect(try open(deflated) == expected)
    }
  }

  /// Longer than one deflate block and than one piece of input.
  @Test func deflatedMember_isReadTwice_andInParts() throws {
    let count = 40_000
    let rows = (0..<count).flatMap { [Float($0), Float(-$0)] }
    let file = zip([ZipFixture(deflated: "w.npy", npy("<f4", [count, 2], raw(rows)))])
    let folder = try TemporaryFolder()
    let matrix = try #require(
      StoredMatrix(try WeightFile(path: folder.write("w.npz", file)).tensors[0]))
    for range in [0..<count, 10..<20, 30_000..<30_001, 5..<6, 39_999..<40_000, 0..<count] {
      #expect(
        try matrix.values(range) == Array(rows[(2 * range.lowerBound)..<(2 * range.upperBound)]))
    }
  }

  @Test func objectsAndOddTypes_areRefused_othersListed() throws {
    let pickled = npy("|O", [1], [0x80, 4, 0x4B, 1, 0x2E])
    try expectError(pickled, name: "w.npy", "pickled", "can run code")
    try expectError(zip([ZipFixture("o.npy", pickled)]), "o.npy", "pickled")
    try expectError(npy("<z4", [1], [0, 0, 0, 0]), name: "w.npy", "\"<z4\"")
    try expectError(npy("f4", [1], [0, 0, 0, 0]), name: "w.npy", "\"f4\"")
    try expectError(npy("", [1], [0, 0, 0, 0]), name: "w.npy", "\"\"")
    for (type, width) in [
      ("<i8", 8), ("|b1", 1), ("<c16", 16), ("<U2", 8), ("|V2", 2), ("<f16", 16),
    ] {
      let file = npy(type, [2, 1], [UInt8](repeating: 0, count: 2 * width))
      #expect(try open(file, name: "w.npy").isEmpty, "\(type)")
    }
  }

  @Test func npySizes_thatLie_areRefused() throws {
    let four = raw([1, 2, 3, 4] as [Float])
    for shape in [[2, 3], [2, 1], [Int.max, 2], [Int.max, Int.max], [1 << 62, 0, 4], [4, 2]] {
      try expectError(npy("<f4", shape, four), name: "w.npy", "\(shape)")
      try expectError(zip([ZipFixture("w.npy", npy("<f4", shape, four))]), "w.npy", "\(shape)")
    }
    try expectError(
      [0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7B, 0x7D], name: "w.npy",
      "4294967295")
    let twice = "{'descr':'<f4','descr':'<f4','fortran_order':False,'shape':(1,)}"
    try expectError(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(twice.utf8.count), 0] + Array(twice.utf8)
        + [0, 0, 0, 0], name: "w.npy", "\"descr\" again")
  }

  @Test func zipClaims_thatLie_areRefused() throws {
    let good = ZipFixture("w.npy", rowMajor)
    let deflated = ZipFixture(deflated: "w.npy", rowMajor)
    func file(_ base: ZipFixture, _ change: (inout ZipFixture) -> Void) -> [UInt8] {
      var member = base
      change(&member)
      return zip([member])
    }
    try expectError(file(good) { $0.checksum ^= 1 }, "w.npy", "CRC-32")
    try expectError(file(deflated) { $0.checksum ^= 1 }, "w.npy", "CRC-32")
    try expectError(file(good) { $0.size += 4 }, "w.npy", "as stored")
    try expectError(file(deflated) { $0.size += 4 }, "w.npy")
    try expectError(file(deflated) { $0.size -= 4 }, "w.npy")
    try expectError(file(deflated) { $0.size = 4_000_000_000 }, "w.npy", "at most")
    try expectError(file(good) { $0.flags = 1 }, "encrypted")
    try expectError(file(good) { $0.flags = 0x41 }, "encrypted")
    try expectError(file(good) { $0.method = 12 }, "method 12")
    try expectError(file(good) { $0.localName = "v.npy" }, "w.npy", "\"v.npy\"")
    try expectError(file(good) { $0.localName = "longer.npy" }, "w.npy")
    try expectError(file(deflated) { $0.stored[0] = 7 }, "w.npy", "deflate")
    try expectError(file(deflated) { $0.stored.removeLast(6) }, "w.npy")
    try expectError(zip([good, good]), "\"w.npy\" again")
    try expectError(zip([]), "empty")
    try expectError(zip([ZipFixture("archive/data.pkl", [1])]), "data.pkl", "pickle")
  }

  /// A small stream that claims, within deflate's ratio, to be far more than it is: the error comes
  /// without room being made for the claim.
  @Test func bomb_isAnError_withoutItsMemory() throws {
    let rows = 1 << 20
    let header = Array(npy("<f4", [rows, 1], []))
    var member = ZipFixture(deflated: "w.npy", header + [UInt8](repeating: 0, count: 5000))
    member.size = UInt32(header.count + 4 * rows)
    try expectError(zip([member]), "w.npy", "as the ZIP directory has it")
  }

  @Test func overlappingMembers_areRefused() throws {
    // The second member's offset is changed to the first's, name alike in length.
    let bytes = zip([ZipFixture("a.npy", rowMajor), ZipFixture("b.npy", rowMajor)])
    let second = try #require(bytes.indices.last { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
    var changed = bytes
    changed.replaceSubrange((second + 42)..<(second + 46), with: [0, 0, 0, 0])
    try expectError(changed, "\"b.npy\"", "offset 0")
    changed.replaceSubrange((second + 42)..<(second + 46), with: [0xFE, 0xFF, 0xFF, 0xFF])
    try expectError(changed, "\"b.npy\"")
  }

  @Test(arguments: [false, true]) func truncation_atEachLength_isAnError(wide: Bool) throws {
    let bytes = zip([ZipFixture(deflated: "w.npy", rowMajor)], wide: wide)
    #expect(try weightError(bytes, name: "w.npz") == nil)
    for length in 0..<bytes.count {
      #expect(try weightError(Array(bytes.prefix(length)), name: "w.npz") != nil, "\(length)")
    }
  }
}
