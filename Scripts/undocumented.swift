// Names the public symbols without documentation in symbol graphs MODULE.symbols.json, given without
// their ending, and ends with status 1 where there are any. The linter's rule misses enum cases.
import Foundation

struct Graph: Decodable {
  struct Symbol: Decodable {
    struct Comment: Decodable {}
    struct Location: Decodable {
      struct Position: Decodable { let line: Int }
      let uri: String
      let position: Position
    }
    let pathComponents: [String]
    let docComment: Comment?
    let location: Location?
  }
  let symbols: [Symbol]
}

var missing = 0
for path in CommandLine.arguments.dropFirst() {
  let data = try Data(contentsOf: URL(fileURLWithPath: path + ".symbols.json"))
  for symbol in try JSONDecoder().decode(Graph.self, from: data).symbols
  where symbol.docComment == nil {
    // What the compiler makes, such as ==, has no place in a file.
    guard let location = symbol.location else { continue }
    let name = symbol.pathComponents.joined(separator: ".")
    print("\(location.uri):\(location.position.line + 1): \(name) has no documentation")
    missing += 1
  }
}
exit(missing == 0 ? 0 : 1)
