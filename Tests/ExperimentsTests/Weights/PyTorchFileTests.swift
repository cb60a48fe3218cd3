import Foundation
import Testing

@testable import Experiments

/// Files of `torch.save`; `Tests/Interop/check_series.py` reads PyTorch's own.
@Suite struct PyTorchFileTests {
  private let floats: [Float] = (0..<12).map { Float($0) }

  private func open(_ bytes: [UInt8]) throws -> WeightFile {
    let folder = try TemporaryFolder()
    return try WeightFile(path: folder.write("w.pt", bytes))
  }

  private func values(_ file: WeightFile) throws -> [String: [Float]] {
    try Dictionary(
      uniqueKeysWithValues: file.tensors.filter { $0.type != nil }.map {
        ($0.name, try $0.values(path: file.path).values)
      })
  }

  private func expectError(
    _ bytes: [UInt8], _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = try weightError(bytes, name: "w.pt")?.description ?? "accepted"
    #expect(text != "accepted", sourceLocation: sourceLocation)
    for part in parts { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
  }

  /// Views of one storage: whole, transposed, every other value of some rows.
  @Test func views_ofASharedStorage_areRead() throws {
    let content = PickleFixture.state(
      .ordered([
        ("whole", .tensor([3, 4], strides: [4, 1], count: 12)),
        ("transposed", .tensor([4, 3], strides: [1, 4], count: 12)),
        ("part", .tensor([2, 2], strides: [4, 2], first: 5, count: 12)),
        ("scalar", .tensor([], strides: [], first: 3, count: 12)),
        (
          "parameter",
          .call(
            .name("torch._utils", "_rebuild_parameter"),
            [.tensor([2], strides: [1], first: 10, count: 12), .bytes([0x88]), .bytes([0x4E])])
        ),
      ]), .dictionary([("_metadata", .ordered([]))]))
    let file = try open(torchFile(content, storages: ["0": raw(floats)]))
    #expect(
      try values(file) == [
        "whole": floats, "transposed": [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
        "part": [5, 7, 9, 11],
        "scalar": [3], "parameter": [10, 11],
      ])
    #expect(file.leftAside.isEmpty)
    let part = try #require(file.tensors.first { $0.name == "part" }.flatMap { StoredMatrix($0) })
    #expect(try part.values(1..<2) == [9, 11])
  }

  @Test func everyType_isReadOrLeftOut() throws {
    let types: [(String, [UInt8], [Float]?)] = [
      ("FloatStorage", raw([1, -2] as [Float]), [1, -2]),
      ("DoubleStorage", raw([1, -2] as [Double]), [1, -2]),
      ("HalfStorage", raw([0x3C00, 0xC000] as [UInt16]), [1, -2]),
      ("BFloat16Storage", raw([0x3F80, 0xC000] as [UInt16]), [1, -2]),
      ("LongStorage", raw([1, 2] as [Int64]), nil),
      ("ComplexFloatStorage", raw([1, 2] as [Int64]), nil),
    ]
    for (type, bytes, expected) in types {
      let content = PickleFixture.dictionary([
        ("w", .tensor([2, 1], strides: [1, 1], type: type, count: 2))
      ])
      let file = try open(torchFile(content, storages: ["0": bytes]))
      #expect(try values(file)["w"] == expected, "\(type)")
      #expect(file.tensors.count == 1)
    }
    let swapped = raw(([1, -2] as [Float]).map(\.bitPattern.byteSwapped))
    let content = PickleFixture.dictionary([("w", .tensor([2], strides: [1], count: 2))])
    #expect(
      try values(open(torchFile(content, storages: ["0": swapped], big: true)))["w"] == [1, -2])
  }

  /// A training script's checkpoint: the network's tensors count, without the key, the rest is named.
  @Test func checkpoint_givesTheNetwork_andSaysWhatElseThereIs() throws {
    let tensor = PickleFixture.tensor([3, 4], strides: [4, 1], count: 12)
    let content = PickleFixture.dictionary([
      ("model", .ordered([("a.weight", tensor)])),
      ("optimizer", .dictionary([("state", .dictionary([("exp_avg", tensor)]))])),
      ("step", .integer(3)),
    ])
    let file = try open(torchFile(content, storages: ["0": raw(floats)]))
    #expect(file.tensors.map(\.name) == ["a.weight"])
    #expect(file.leftAside == ["what is not the network: optimizer, step"])

    // Without a key that names a network all tensors count, by their paths.
    let parts = PickleFixture.dictionary([
      ("encoder", .dictionary([("w", tensor)])), ("more", .list([.integer(1), tensor])),
    ])
    let both = try open(torchFile(parts, storages: ["0": raw(floats)]))
    #expect(both.tensors.map(\.name) == ["encoder.w", "more.1"])
  }

  /// What would run code is a name and nothing else; tensors beside it are read.
  @Test func calls_areNotMade() throws {
    let system = PickleFixture.call(.name("posix", "system"), [.text("touch /tmp/gputrain-ran")])
    let tensor = PickleFixture.tensor([3, 4], strides: [4, 1], count: 12)
    try expectError(torchFile(system, storages: [:]), "posix.system", "not called")
    let file = try open(
      torchFile(.dictionary([("evil", system), ("w", tensor)]), storages: ["0": raw(floats)]))
    #expect(file.tensors.map(\.name) == ["w"])
    #expect(file.leftAside == ["1 entry that is no tensor: posix.system"])
    #expect(!FileManager.default.fileExists(atPath: "/tmp/gputrain-ran"))
    try expectError(
      torchFile(.name("os", "system"), storages: [:]), "os.system", "state_dict")
    // Extension codes, persistent ids as texts and buffers out of band are in no file of PyTorch's.
    for opcode: UInt8 in [0x82, 0x50, 0x97, 0xFF] {
      try expectError(torchFile(pickle: [0x80, 2, opcode, 0x2E], storages: [:]), "opcodes")
    }
    try expectError([0x80, 2, 0x4E, 0x2E], "bare pickle", "torch.save")
  }

  @Test func tensorsBeyondTheirStorage_areRefused() throws {
    let cases: [(PickleFixture, String)] = [
      (.tensor([3, 5], strides: [5, 1], count: 12), "within 12 values"),
      (.tensor([3, 4], strides: [4, 1], first: 1, count: 12), "within 12 values"),
      (.tensor([2, 2], strides: [11, 1], count: 12), "within 12 values"),
      (.tensor([3, 4], strides: [4, 1], count: 13), "48 bytes"),
      // Stride 0: more values than the file has.
      (.tensor([1_000_000, 1_000_000], strides: [0, 0], count: 12), "within 12 values"),
      (.tensor([Int.max, 4], strides: [4, 1], count: 12), "63 bits"),
      (.tensor([2, 2], strides: [Int.max, 1], first: 5, count: 12), "63 bits"),
      (.tensor([3, 4], strides: [4, 1], count: Int.max), "within"),
      (.tensor([3, 4], strides: [4], count: 12), "sizes and strides"),
      (.tensor([3, -4], strides: [4, 1], count: 12), "sizes and strides"),
      (.tensor([3, 4], strides: [4, 1], key: "7", count: 12), "w/data/7"),
      (.tensor([3, 4], strides: [4, 1], key: "../x", count: 12), "w/data/../x"),
    ]
    for (tensor, part) in cases {
      try expectError(
        torchFile(.dictionary([("w", tensor)]), storages: ["0": raw(floats)]), part)
    }
  }

  /// Pickles that are small and claim, or unfold to, more than there is.
  @Test func hostilePickles_endInErrors() throws {
    func refused(_ opcodes: [UInt8], _ part: String) throws {
      try expectError(torchFile(pickle: [0x80, 2] + opcodes, storages: ["0": raw(floats)]), part)
    }
    try refused([], "truncated")
    try refused([0x2E], "a value")
    try refused([0x58] + raw([UInt32.max]), "truncated")
    try refused([0x8D] + raw([UInt64.max]) + [0x2E], "63 bits")
    try refused([0x8B] + raw([UInt32.max]) + [0x2E], "truncated")
    try refused([0x68, 9, 0x2E], "under 9")
    try refused([0x74, 0x2E], "a mark")
    try refused([0x28, 0x74, 0x61, 0x2E], "a value")
    try refused([0x4E, 0x28, 0x4E, 0x65, 0x2E], "to add to")
    try refused([0x7D, 0x28, 0x4E, 0x75, 0x2E], "keys")
    try refused(Array("I9".utf8), "truncated")
    // Lists one within the other, deeper than a call stack, and a dictionary that holds itself.
    try refused(
      [UInt8](repeating: 0x5D, count: 1 << 17) + [UInt8](repeating: 0x61, count: 1 << 17 - 1) + [
        0x2E
      ],
      "levels")
    let key = PickleFixture.text("a").opcodes
    try refused([0x7D, 0x71, 0] + key + [0x68, 0, 0x73, 0x2E], "levels")
    // Each holds the one before twice: 2⁴⁰ paths.
    var doubling: [UInt8] = [0x7D, 0x71, 0]
    for level in 1...30 {
      doubling += [0x7D, 0x71, UInt8(level), 0x28]
      for name in ["a", "b"] {
        doubling += PickleFixture.text(name).opcodes + [0x68, UInt8(level - 1)]
      }
      doubling += [0x75]
    }
    try refused(doubling + [0x2E], "entries")
    // A list that call after call copies: quadratic in the pickle.
    let pair: [UInt8] = PickleFixture.text("k").opcodes + [0x4E, 0x86, 0x71, 0, 0x30]
    let list = [0x5D, 0x71, 1, 0x28] + [[UInt8]](repeating: [0x68, 0], count: 300).flatMap(\.self)
    let names = PickleFixture.name("collections", "OrderedDict").opcodes + [0x71, 2, 0x30]
    let calls = [[UInt8]](repeating: [0x68, 2, 0x68, 1, 0x85, 0x52, 0x30], count: 20)
    try refused(
      pair + list + [0x65, 0x30] + names + calls.flatMap(\.self) + [0x7D, 0x2E], "in all")
    // The same of empty pairs, and of sizes.
    try refused(
      [0x29, 0x71, 0, 0x30] + list + [0x65, 0x30] + names + calls.flatMap(\.self) + [0x7D, 0x2E],
      "in all")
    // A long text that names over and over: what is kept and looked at is short.
    let clock = ContinuousClock()
    let module = PickleFixture.text("a" + String(repeating: "\u{301}", count: 200_000)).opcodes
    let globals = [[UInt8]](repeating: [0x68, 0, 0x68, 0, 0x93, 0x29, 0x52, 0x30], count: 20_000)
    let took = try clock.measure {
      try refused(module + [0x71, 0, 0x30] + globals.flatMap(\.self) + [0x7D, 0x2E], "no tensor")
    }
    #expect(took < .seconds(5), "\(took)")
    // Deflated, and said to be longer than the file is: a bomb in small.
    var bomb = ZipFixture(deflated: "w/data.pkl", [0x80, 2, 0x4E, 0x2E])
    bomb.size = 5000
    try expectError(zip([bomb]), "w/data.pkl of at most")
    let long = PickleFixture.text(String(repeating: "n", count: 2000)).opcodes
    try refused(
      [0x7D] + long + PickleFixture.tensor([12], strides: [1], count: 12).opcodes + [0x73, 0x2E],
      "1000 bytes")
    #expect(throws: DataError.self) {
      try Pickle([0x80, 2, 0x4E, 0x4E, 0x2E], path: "", maximumOpcodes: 3)
    }
  }

  @Test func truncation_atEachLength_isAnError() throws {
    let bytes = torchFile(
      .dictionary([("w", .tensor([3, 4], strides: [4, 1], count: 12))]),
      storages: ["0": raw(floats)])
    #expect(try weightError(bytes, name: "w.pt") == nil)
    for length in 0..<bytes.count {
      #expect(try weightError(Array(bytes.prefix(length)), name: "w.pt") != nil, "\(length)")
    }
    let pickle = PickleFixture.dictionary([
      ("w", .tensor([3, 4], strides: [4, 1], count: 12))
    ]).pickle
    for length in 0..<pickle.count {
      try expectError(
        torchFile(pickle: Array(pickle.prefix(length)), storages: ["0": raw(floats)]), "pickle")
    }
  }

  /// An index of .bin files, as older models of huggingface_hub have.
  @Test func shardsOfPyTorchFiles_areOpened() throws {
    let folder = try TemporaryFolder()
    let content = PickleFixture.dictionary([("w", .tensor([3, 4], strides: [4, 1], count: 12))])
    try folder.write("a.bin", torchFile(content, storages: ["0": raw(floats)]))
    try folder.write("pytorch_model.bin.index.json", text: #"{"weight_map":{"w":"a.bin"}}"#)
    #expect(try values(WeightFile(path: folder.path)) == ["w": floats])
  }
}
