import Foundation

@testable import Experiments

/// What is pickled, by the opcodes that Python's pickler of protocol 2 writes.
indirect enum PickleFixture {
  case dictionary([(String, PickleFixture)])
  case ordered([(String, PickleFixture)])
  case list([PickleFixture])
  case tuple([PickleFixture])
  case integer(Int)
  case text(String)
  case name(String, String)
  case call(PickleFixture, [PickleFixture])
  /// With a state, as an OrderedDict with attributes has.
  case state(PickleFixture, PickleFixture)
  case storage(String, key: String, count: Int)
  case bytes([UInt8])

  /// A tensor as PyTorch rebuilds it.
  static func tensor(
    _ shape: [Int], strides: [Int], first: Int = 0, type: String = "FloatStorage",
    key: String = "0",
    count: Int
  ) -> PickleFixture {
    .call(
      .name("torch._utils", "_rebuild_tensor_v2"),
      [
        .storage(type, key: key, count: count), .integer(first), .tuple(shape.map { .integer($0) }),
        .tuple(strides.map { .integer($0) }), .bytes([0x89]),
        .call(.name("collections", "OrderedDict"), []),
      ])
  }

  /// Opcodes that leave the value on the stack.
  var opcodes: [UInt8] {
    func items(_ pairs: [(String, PickleFixture)]) -> [UInt8] {
      [0x28] + pairs.flatMap { PickleFixture.text($0).opcodes + $1.opcodes } + [0x75]
    }
    return switch self {
    case .dictionary(let pairs): [0x7D] + items(pairs)
    case .ordered(let pairs):
      PickleFixture.call(.name("collections", "OrderedDict"), []).opcodes + items(pairs)
    case .list(let elements): [0x5D, 0x28] + elements.flatMap(\.opcodes) + [0x65]
    case .tuple(let elements): [0x28] + elements.flatMap(\.opcodes) + [0x74]
    case .integer(let value): [0x8A, 8] + raw([Int64(value)])
    case .text(let text): [0x58] + raw([UInt32(text.utf8.count)]) + Array(text.utf8)
    case .name(let module, let name): Array("c\(module)\n\(name)\n".utf8)
    case .call(let callable, let arguments):
      callable.opcodes + PickleFixture.tuple(arguments).opcodes + [0x52]
    case .state(let object, let state): object.opcodes + state.opcodes + [0x62]
    case .storage(let type, let key, let count):
      PickleFixture.tuple([
        .text("storage"), .name("torch", type), .text(key), .text("cpu"), .integer(count),
      ]).opcodes + [0x51]
    case .bytes(let bytes): bytes
    }
  }

  var pickle: [UInt8] { [0x80, 2] + opcodes + [0x2E] }
}

/// A file of torch.save: a pickle and the bytes of its storages.
func torchFile(_ content: PickleFixture, storages: [String: [UInt8]], big: Bool = false) -> [UInt8]
{
  torchFile(pickle: content.pickle, storages: storages, big: big)
}

func torchFile(pickle: [UInt8], storages: [String: [UInt8]], big: Bool = false) -> [UInt8] {
  zip(
    [
      ZipFixture("w/data.pkl", pickle),
      ZipFixture("w/byteorder", Array((big ? "big" : "little").utf8)),
    ] + storages.sorted { $0.key < $1.key }.map { ZipFixture("w/data/\($0.key)", $0.value) }
      + [ZipFixture("w/version", [0x33, 0x0A])])
}
