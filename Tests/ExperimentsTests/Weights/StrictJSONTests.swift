import Foundation
import Testing

@testable import Experiments

@Suite struct StrictJSONTests {
  private func parse(_ text: String) throws -> JSONValue {
    try StrictJSON.parse(Array(text.utf8), path: "x", subject: "header")
  }

  @Test func validText_isRead() throws {
    let text =
      #" { "a" : [1, -2, 0.5e1, true, false, null], "é\n\u00e9\ud83d\ude00" : {} , "":"x"} "#
    #expect(
      try parse(text)
        == .object([
          "a": .array([.integer(1), .integer(-2), .number(5), .bool(true), .bool(false), .null]),
          "é\né😀": .object([:]), "": .string("x"),
        ]))
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(0x1p63))
    #expect(try parse("[]") == .array([]))
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
    "{'a':1}", "01", "-", "+1", ".5", "1.", "1e", "1e+", "1e999", "tru", "nul", "NaN", "Infinity",
    "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
    "\"a\nb\"", "{} {}", "[1]]", "1 2", "\u{FEFF}{}", "\"\\u+123\"",
  ]) func invalidText_isAnError(text: String) {
    #expect(throws: DataError.self) { try parse(text) }
  }

  @Test func duplicateKeys_areRefused_atEveryDepth() {
    for text in [#"{"a":1,"a":1}"#, #"{"x":{"a":1,"b":2,"a":3}}"#, #"[{"a":1,"\u0061":2}]"#] {
      let error = #expect(throws: DataError.self) { try parse(text) }
      #expect(error?.description.contains("\"a\" again") == true)
    }
    #expect(throws: Never.self) { try parse(#"[{"a":1},{"a":2}]"#) }
  }

  /// Names count as they are written: PyTorch and NumPy know two where Unicode sees one text.
  @Test func equivalentNames_areTwo() throws {
    let (one, two) = ("\u{E9}", "e\u{301}")
    let text = Array("{\"\(one)\":1,\"m\":{\"\(two)\":2,\"\(one)\":3}}".utf8)
    func scalars(_ members: [(name: String, value: JSONValue)]?) -> [[UInt8]]? {
      members?.map { Array($0.name.utf8) }
    }
    #expect(
      scalars(try StrictJSON.members(of: "m", in: text, path: "x", subject: "header"))
        == [Array(two.utf8), Array(one.utf8)])
    let plain = Array("{\"\(one)\":1,\"\(two)\":2}".utf8)
    #expect(try StrictJSON.members(in: plain, path: "x", subject: "header")?.count == 2)
    #expect(try StrictJSON.members(of: "m", in: plain, path: "x", subject: "header") == nil)
    #expect(try StrictJSON.members(in: Array("[1]".utf8), path: "x", subject: "header") == nil)
    #expect(throws: DataError.self) {
      try StrictJSON.members(in: Array("{} {}".utf8), path: "x", subject: "header")
    }
    // As a dictionary they cannot be told apart.
    #expect(throws: DataError.self) {
      try StrictJSON.parse(plain, path: "x", subject: "header")
    }
  }

  @Test func invalidUTF8_isRefused() {
    let texts: [[UInt8]] = [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
    ]
    for bytes in texts {
      #expect(throws: DataError.self) {
        try StrictJSON.parse(bytes, path: "x", subject: "header")
      }
    }
  }

  @Test func depthAndLength_areBounded() throws {
    let deep = { (count: Int) in
      String(repeating: "[", count: count) + String(repeating: "]", count: count)
    }
    #expect(throws: Never.self) { try parse(deep(StrictJSON.maximumDepth + 1)) }
    #expect(throws: DataError.self) { try parse(deep(StrictJSON.maximumDepth + 2)) }
    #expect(throws: DataError.self) { try parse(deep(1_000_000)) }
    let long = "[" + String(repeating: "0,", count: StrictJSON.maximumElements) + "0]"
    #expect(throws: DataError.self) { try parse(long) }
  }

  /// What our own encoder writes, Foundation reads and this reader agree on.
  @Test func encodedValues_comeBack() throws {
    let value = JSONValue.object([
      "text \"\\/\u{1}\u{7F}\u{2028}𝄞": .array([.integer(-7), .number(1e-300), .null]),
      "nested": .object(["x": .bool(true)]),
    ])
    let data = try CanonicalJSON.pretty(value)
    #expect(try StrictJSON.parse(Array(data), path: "x", subject: "header") == value)
  }
}
