import Foundation
import Testing

@testable import OpenCL

@Suite struct ProgramCacheTests {
  let cache: ProgramCache
  let queue: CommandQueue

  init() throws {
    cache = ProgramCache(
      directory: FileManager.default.temporaryDirectory
        .appendingPathComponent("gputrain-programs-\(UUID().uuidString)"))
    queue = try CommandQueue(context: Context(device: .find(.best), programCache: cache))
  }

  /// Runs `body`, then removes the cache's files.
  private func cleaning(_ body: () throws -> Void) throws {
    defer { try? FileManager.default.removeItem(at: cache.directory) }
    try body()
  }

  private var files: [URL] {
    let all = try? FileManager.default.contentsOfDirectory(
      at: cache.directory, includingPropertiesForKeys: nil)
    return all ?? []
  }

  private func scaled(_ source: String = KernelTests.source, definitions: [String: String] = [:])
    throws -> [Float]
  {
    let program = try Program(
      context: queue.context, file: "scale.cl", source: source, definitions: definitions)
    let buffer = try Buffer(queue: queue, [1, 2, 3] as [Float])
    try Kernel<Buffer<Float>, Float, UInt32>(program, "scale")(
      queue, global: [64], local: [64], buffer, 2, 3)
    return try buffer.read(queue: queue)
  }

  @Test func program_ofAKeptBinary_computesTheSame() throws {
    try cleaning {
      for _ in 0..<2 {
        let values = try scaled()
        #expect(values == [2, 4, 6])
      }
      #expect(files.count == 1)
    }
  }

  @Test func optionsAndSource_haveEntriesOfTheirOwn() throws {
    try cleaning {
      _ = try scaled()
      _ = try scaled(definitions: ["UNUSED": "1"])
      #expect(
        try scaled(KernelTests.source.replacing("*= factor", with: "+= factor")) == [3, 4, 5])
      #expect(files.count == 3)
    }
  }

  /// Cut short, with a byte changed, empty, of another program: compiled again and kept again.
  @Test func damagedEntry_isNoEntry() throws {
    try cleaning {
      // PoCL's binaries also have what it made of a kernel when it last ran: the second entry and all others
      // are of one size, whatever its own cache held.
      _ = try scaled()
      try FileManager.default.removeItem(at: #require(files.first))
      _ = try scaled()
      let file = try #require(files.first)
      let whole = try Data(contentsOf: file)
      var changed = whole
      changed[whole.count / 2 + whole.count / 4] ^= 1
      var huge = whole
      huge.replaceSubrange(0..<8, with: [UInt8](repeating: 0xff, count: 8))
      for damage in [whole.prefix(whole.count - 1), whole.prefix(12), Data(), changed, huge] {
        try damage.write(to: file)
        #expect(try scaled() == [2, 4, 6])
        #expect(try Data(contentsOf: file).count == whole.count)
      }
    }
  }

  /// A whole entry whose binary the driver refuses.
  @Test func foreignBinary_isCompiledAnew() throws {
    try cleaning {
      _ = try scaled()
      let file = try #require(files.first)
      let whole = try Data(contentsOf: file)
      let keyLength = (0..<8).reduce(0) { $0 | Int(whole[$1]) << (8 * $1) }
      let key = whole.subdata(in: 8..<8 + keyLength)
      cache.keep(Data("no binary".utf8), for: key)
      #expect(cache.binary(for: key) == Data("no binary".utf8))
      #expect(try scaled() == [2, 4, 6])
    }
  }

  @Test func directoryThatCannotBeMade_isNoError() throws {
    let context = try Context(
      device: .find(.best),
      programCache: ProgramCache(directory: URL(fileURLWithPath: "/dev/null/programs")))
    let program = try Program(context: context, file: "scale.cl", source: KernelTests.source)
    _ = try Kernel<Buffer<Float>, Float, UInt32>(program, "scale")
  }
}
