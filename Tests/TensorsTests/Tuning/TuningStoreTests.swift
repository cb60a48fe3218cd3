import Foundation
import OpenCL
import Testing

@testable import Tensors

@Suite struct TuningStoreTests {
  let store = TuningStore(
    directory: FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-tunings-\(UUID().uuidString)"))
  static let key = DeviceTuning.Key(platform: "p", vendor: "v", device: "d", driver: "1")
  static let tuning = DeviceTuning(
    key: key, date: "2026-11-25T07:00:00Z",
    kernels: [
      DeviceTuning.Kernel(
        family: "clblast/Xgemm", shapeClass: "large", parameters: ["MWG": 64, "SA": 0], before: 3,
        after: 2),
      DeviceTuning.Kernel(
        family: "elsewhere/tile", shapeClass: "tn", parameters: ["rows": 7], before: 1.25,
        after: 1),
    ])

  private func cleaning(_ body: () throws -> Void) throws {
    defer { try? FileManager.default.removeItem(at: store.directory) }
    try body()
  }

  private func file() throws -> URL {
    try #require(
      try FileManager.default.contentsOfDirectory(
        at: store.directory, includingPropertiesForKeys: nil
      ).first)
  }

  private func kept(_ key: DeviceTuning.Key = key) -> DeviceTuning? {
    if case .tuning(let tuning) = store.entry(for: key) { tuning } else { nil }
  }

  private func reason() -> String? {
    if case .unusable(_, let reason) = store.entry(for: Self.key) { reason } else { nil }
  }

  @Test func kept_isFoundByDeviceAndDriver() throws {
    try cleaning {
      #expect(kept() == nil)
      try store.keep(Self.tuning)
      #expect(kept() == Self.tuning)
      let other = DeviceTuning.Key(platform: "p", vendor: "v", device: "d", driver: "2")
      #expect(kept(other) == nil)
      try store.keep(DeviceTuning(key: other, date: "x", kernels: []))
      #expect(kept() == Self.tuning && kept(other)?.kernels == [])
    }
  }

  @Test func forget_removesOne_forgetAll_therest() throws {
    try cleaning {
      #expect(try store.forgetAll() == 0)
      for driver in ["1", "2", "3"] {
        let key = DeviceTuning.Key(platform: "p", vendor: "v", device: "d", driver: driver)
        try store.keep(DeviceTuning(key: key, date: "", kernels: []))
      }
      let foreign = store.directory.appendingPathComponent("notes.txt")
      try Data("mine".utf8).write(to: foreign)
      #expect(try store.forget(Self.key))
      #expect(try !store.forget(Self.key))
      #expect(kept() == nil)
      #expect(try store.forgetAll() == 2)
      #expect(FileManager.default.fileExists(atPath: foreign.path))
    }
  }

  /// Each damage is told in words and never taken for a tuning.
  @Test func unusableFiles_sayWhy() throws {
    try cleaning {
      try store.keep(Self.tuning)
      let file = try file()
      let whole = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      for (damaged, expected) in [
        (String(whole.dropLast(20)), "it is not JSON"),
        ("", "it is not JSON"),
        (whole.replacing("tuning-1", with: "tuning-9"), "expected gputrain-tuning-1"),
        (whole.replacing("\"date\"", with: "\"day\""), "date is missing"),
        (whole.replacing("\"device\" : \"d\"", with: "\"device\" : \"e\""), "it is for e"),
        (
          whole.replacing("\"milliseconds_after\" : 2", with: "\"milliseconds_after\" : 0"),
          "not positive"
        ),
        (whole.replacing("\"MWG\" : 64", with: "\"MWG\" : -64"), "no number"),
        (whole.replacing("\"MWG\" : 64", with: "\"MWG\" : \"64\""), "of another type"),
        (
          whole.replacing("elsewhere/tile", with: "clblast/Xgemm")
            .replacing("\"tn\"", with: "\"large\""), "twice"
        ),
      ] {
        try Data(damaged.utf8).write(to: file)
        #expect(damaged != whole && reason()?.contains(expected) == true, "\(reason() ?? "none")")
        #expect(throws: TuningStore.Failure.self) {
          if expected.hasPrefix("it is for") { throw TuningStore.Failure(description: "") }
          _ = try TuningStore.tuning(inFile: file.path)
        }
      }
    }
  }

  @Test func directoryThatCannotBeMade_isAnErrorWithItsName() throws {
    let store = TuningStore(directory: URL(fileURLWithPath: "/dev/null/tunings"))
    #expect(kept() == nil)
    let error = #expect(throws: TuningStore.Failure.self) { try store.keep(Self.tuning) }
    #expect(error?.description.contains("/dev/null/tunings") == true)
  }

  @Test func replacing_takesWhatWasTried_andLeavesTheRest() {
    let found = DeviceTuning.Kernel(
      family: "elsewhere/tile", shapeClass: "tn", parameters: ["rows": 9], before: 2, after: 1)
    let tuning = Self.tuning
    let tried = [(family: "elsewhere/tile", shapeClass: "tn")]
    #expect(
      tuning.replacing(tried: tried, by: [found], date: "x").kernels == [tuning.kernels[0], found])
    #expect(tuning.replacing(tried: tried, by: [], date: "x").kernels == [tuning.kernels[0]])
    #expect(tuning.parameters(family: "elsewhere/tile", shapeClass: "tn") == ["rows": 7])
    #expect(tuning.parameters(family: "elsewhere/tile", shapeClass: "nn") == nil)
  }

  @Test func fingerprint_isOfParametersAlone() {
    let tuning = Self.tuning
    let reversed = DeviceTuning(
      key: DeviceTuning.Key(platform: "q", vendor: "v", device: "d", driver: "1"), date: "later",
      kernels: tuning.kernels.reversed())
    #expect(tuning.fingerprint == reversed.fingerprint && tuning.fingerprint.count == 16)
    let other = tuning.replacing(
      tried: [("elsewhere/tile", "tn")], by: [], date: tuning.date)
    #expect(other.fingerprint != tuning.fingerprint)
  }
}
