import Foundation
import SwiftProtobuf
import Testing

@testable import Experiments

@Suite struct EventFileTests {
  /// RFC 3720, appendix B.4, and the usual check string.
  @Test(
    arguments: [
      ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
      ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
      ((0..<32).map { $0 }, 0x46DD_794E), ((0..<32).reversed(), 0x113F_DB5C),
      (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ] as [([UInt8], UInt32)])
  func checksum_isThatOfTheStandard(bytes: [UInt8], expected: UInt32) {
    #expect(CRC32C.checksum(bytes) == expected)
    let rotated = expected >> 15 | expected << 17
    #expect(CRC32C.masked(bytes) == rotated &+ 0xA282_EAD8)
  }

  /// The events of a file, its framing checked.
  private func events(_ data: Data) throws -> [Tensorboard_Event] {
    var events: [Tensorboard_Event] = []
    var rest = [UInt8](data)
    while !rest.isEmpty {
      let length = Int(rest.unsigned(at: 0, width: 8))
      #expect(rest.unsigned(at: 8, width: 4) == UInt64(CRC32C.masked(rest[..<8])))
      let event = Array(rest[12..<12 + length])
      #expect(rest.unsigned(at: 12 + length, width: 4) == UInt64(CRC32C.masked(event)))
      events.append(try Tensorboard_Event(serializedBytes: event))
      rest.removeFirst(16 + length)
    }
    return events
  }

  @Test func records_areFramed_andTheFirstNamesTheVersion() throws {
    let scalars = [
      EventFile.Scalars(step: 0, time: 1.5, values: ["b/x": 2, "a/y": -0.1]),
      EventFile.Scalars(step: 1 << 40, time: 2.5, values: [:]),
    ]
    let data = try EventFile.bytes(scalars, start: 1)
    let found = try events(data)
    #expect(found.count == 3 && found[0].fileVersion == "brain.Event:2" && found[0].wallTime == 1)
    #expect(found[1].summary.value.map(\.tag) == ["a/y", "b/x"])
    #expect(found[1].summary.value.map(\.simpleValue) == [-0.1, 2])
    #expect(found[2].step == 1 << 40 && found[2].wallTime == 2.5)
    #expect(try EventFile.bytes(scalars, start: 1) == data)
    // Written by hand from the format's description: 24 bytes of an event of the version.
    let head: [UInt8] = [24, 0, 0, 0, 0, 0, 0, 0]
    #expect(data.starts(with: head) && data[12] == 0x09 && data[21] == 0x1A && data[22] == 13)
  }

  @Test func folder_namesRunsAndTags_andSpreadsTime() throws {
    try Fixture.inDirectory { directory in
      let folder = EventFolder(directory: directory) { Date(timeIntervalSince1970: 1000) }
      let configuration = Fixture.configuration(rate: -5.5)
      let result = RunResult(
        epochs: 1, steps: 20, outcome: .completed, seconds: 10, device: "cpu")
      try folder.write(
        result,
        records: [
          RunRecord(epoch: 1, step: 0, values: ["layers.1/update_norm": 0.5]),
          RunRecord(epoch: 1, step: 10, values: ["train_loss": 2]),
          RunRecord(
            epoch: 1, step: 20, values: ["validation_loss": 3, "validation_accuracy": 0.5]),
        ], of: configuration)
      let file = directory.appendingPathComponent(
        "spectral-sgd-width128-lr-5.5-seed1/events.out.tfevents.\(configuration.identifier)")
      let events = try events(Data(contentsOf: file))
      #expect(events.map(\.wallTime) == [990, 990, 995, 1000])
      #expect(
        events.map { $0.summary.value.map(\.tag) } == [
          [], ["update_norm/layers.1"], ["loss/train"], ["accuracy/validation", "loss/validation"],
        ])
    }
  }
}
