import Foundation
import Synchronization

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// What libFuzzer calls, in C's names: https://llvm.org/docs/LibFuzzer.html.
///
///     FUZZ_READER=csv Fuzz -runs=100000 CORPUS         fuzzes the reader csv
///     FUZZ_SEEDS=FOLDER Fuzz                           writes a folder of seeds for each reader
///
/// FUZZ_MADE names a folder of what the program has made, as run.sh does.

/// The environment's value of a name.
private func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

/// What the program has made, to put damaged files into.
private let made = URL(fileURLWithPath: environment("FUZZ_MADE") ?? ".")

/// The reader that is fuzzed, with a folder in memory for its files.
private let reader: Reader = {
  let name = environment("FUZZ_READER") ?? ""
  guard let reader = Reader.all.first(where: { $0.name == name }) else {
    print("FUZZ_READER: one of " + Reader.all.map(\.name).joined(separator: " "))
    exit(64)
  }
  return reader
}()
private let body: Reader.Body = {
  do {
    let folder = try Scratch()
    return try reader.prepare(folder, made)
  } catch {
    print("\(reader.name): \(error)")
    exit(1)
  }
}()

/// Called once before the first input: makes the reader ready, or writes seeds and ends.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeRawPointer?, _: UnsafeRawPointer?) -> Int32 {
  if let folder = environment("FUZZ_SEEDS") {
    do {
      for reader in Reader.all {
        let place = URL(fileURLWithPath: folder).appendingPathComponent(reader.name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        for (index, seed) in try reader.seeds(made).enumerated() {
          try seed.write(to: place.appendingPathComponent("seed\(index)"))
        }
      }
    } catch {
      print("seeds: \(error)")
      exit(1)
    }
    exit(0)
  }
  _ = body
  return 0
}

/// Called with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  // What a reader refuses it throws; all else is a finding.
  try? body(Data(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

@_silgen_name("LLVMFuzzerMutate")
private func mutate(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int) -> Int

/// Every second change of a text puts another value in place of one: changes of single bytes seldom make a
/// number that is well written and makes no sense.
@_cdecl("LLVMFuzzerCustomMutator")
public func change(
  _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int, _ seed: UInt32
) -> Int {
  guard reader.isText, seed & 1 == 0, count > 0 else { return mutate(bytes, count, capacity) }
  var random = SplitMix(state: UInt64(seed))
  let text = Array(UnsafeBufferPointer(start: bytes, count: count))
  guard let changed = TextMutation.change(text, &random), changed.count <= capacity else {
    return mutate(bytes, count, capacity)
  }
  for (index, byte) in changed.enumerated() { bytes[index] = byte }
  return changed.count
}

/// Values in place of others.
enum TextMutation {
  private static let values = [
    "0", "-1", "1", "2", "-0", "7", "64", "1e-320", "1e300", "-1e300", "0.5", "127", "128", "-127",
    "2147483647", "2147483648", "4294967296", "9223372036854775807", "-9223372036854775808",
    "18446744073709551615", "1e19", "nan", "inf", "-inf", "\"nan\"", "\"inf\"", "null", "true",
    "false", "\"\"", "[]", "{}", "\"x\"", "[1,2]", "[[1]]", "{\"a\":1}", "\u{FEFF}", "é",
  ]

  /// `text` with a number or a word replaced, doubled or taken away; nil where it has none.
  static func change(_ text: [UInt8], _ random: inout SplitMix) -> [UInt8]? {
    func isPart(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || "+-._".utf8.contains(byte)
    }
    let start = Int.random(in: 0..<text.count, using: &random)
    guard let first = text[start...].firstIndex(where: isPart) else { return nil }
    let end = text[first...].firstIndex { !isPart($0) } ?? text.count
    var replacement: [UInt8]
    switch Int.random(in: 0..<8, using: &random) {
    case 0: replacement = []
    case 1: replacement = Array(text[first..<end]) + Array(text[first..<end])
    case 2:
      // That of another place.
      let other = Int.random(in: 0..<text.count, using: &random)
      guard let begin = text[other...].firstIndex(where: isPart) else { return nil }
      let stop = text[begin...].firstIndex { !isPart($0) } ?? text.count
      replacement = Array(text[begin..<stop])
    default: replacement = Array(values.randomElement(using: &random)!.utf8)
    }
    return Array(text[..<first]) + replacement + Array(text[end...])
  }
}

/// A folder in memory for one process's files, where there is such a place.
struct Scratch {
  let url: URL

  init() throws {
    let memory = "/dev/shm"
    let parent =
      access(memory, W_OK) == 0
      ? URL(fileURLWithPath: memory) : FileManager.default.temporaryDirectory
    url = parent.appendingPathComponent("gputrain-fuzz-\(getpid())")
    try? FileManager.default.removeItem(at: url)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    let path = url.path
    Scratch.place.withLock { $0 = path }
    atexit { Scratch.place.withLock { try? FileManager.default.removeItem(atPath: $0) } }
  }

  private static let place = Mutex("")

  /// Writes a file; its path.
  func write(_ name: String, _ data: Data) throws -> String {
    let file = url.appendingPathComponent(name)
    try data.write(to: file)
    return file.path
  }
}
