import Foundation
import Testing

@testable import Experiments

@Suite struct AtomicFilesTests {
  private func withTemporaryFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
  }

  private func contents(_ folder: URL) throws -> [String: String] {
    var result: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let file = folder.appendingPathComponent(name)
      result[name] = (try? String(contentsOf: file, encoding: .utf8)) ?? "folder"
    }
    return result
  }

  /// Few are synced one by one, many by their file system.
  @Test(arguments: [1, 3, 40]) func files_appearTogether(count: Int) throws {
    try withTemporaryFolder { folder in
      try Data("old".utf8).write(to: folder.appendingPathComponent("0"))
      let files = AtomicFiles()
      for number in 0..<count {
        try files.add(Data("new \(number)".utf8), at: folder.appendingPathComponent("\(number)"))
      }
      let before = try contents(folder).filter { !$0.key.hasPrefix(AtomicFile.temporaryPrefix) }
      #expect(before == ["0": "old"])
      try files.appear()
      let expected = (0..<count).map { ("\($0)", "new \($0)") }
      #expect(try contents(folder) == Dictionary(uniqueKeysWithValues: expected))
    }
  }

  /// Neither what was given up before it appeared nor what could not be given a name stays behind.
  @Test func filesThatDoNotAppear_leaveNothing() throws {
    try withTemporaryFolder { folder in
      try AtomicFiles().add(Data("a".utf8), at: folder.appendingPathComponent("a"))
      #expect(try contents(folder).isEmpty)
      let taken = folder.appendingPathComponent("taken")
      try FileManager.default.createDirectory(
        at: taken.appendingPathComponent("inner"), withIntermediateDirectories: true)
      do {
        let files = AtomicFiles()
        try files.add(Data("b".utf8), at: folder.appendingPathComponent("b"))
        try files.add(Data("c".utf8), at: taken)
        #expect(throws: RunStoreError.self) { try files.appear() }
      }
      #expect(try contents(folder) == ["b": "b", "taken": "folder"])
    }
  }
}
