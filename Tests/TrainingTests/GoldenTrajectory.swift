import Foundation
import Networks
import Tensors
import Testing

/// What tests of trajectories against PyTorch have in common.
enum GoldenTrajectory {
  /// The contents of a file of Golden/.
  static func contents<Contents: Decodable>(of name: String) -> Contents {
    let url = Bundle.module.url(
      forResource: name, withExtension: "json", subdirectory: "Golden")!
    return try! JSONDecoder().decode(Contents.self, from: Data(contentsOf: url))
  }

  /// One replica of `graph` that starts from these values by path, which are those of all parameters.
  static func network(
    _ graph: NetworkGraph, from start: [String: TrajectoryTests.Nested], compute: Compute
  ) throws -> Network {
    #expect(graph.parameters.count == start.count)
    let parameters = try graph.parameters.map { parameter in
      Parameter(
        name: parameter.path, shape: parameter.shape,
        value: try compute.tensor(
          try #require(start[parameter.path]).values.map { Float($0) },
          rows: parameter.shape.rows, columns: parameter.shape.columns))
    }
    return Network(graph, parameters: parameters, compute: compute)
  }
}

/// The difference is at most `tolerance` of the reference's norm; where that is next to nothing, as of a bias
/// of attention's keys, which no loss depends on, of 3e-3.
func expectClose(_ got: [Float], _ expected: [Double], _ what: String, _ tolerance: Double) {
  #expect(got.count == expected.count)
  func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
  let error = norm(zip(got, expected).map { Double($0) - $1 })
  #expect(
    error <= tolerance * max(norm(expected), 3e-3),
    "\(what): error \(error), norm \(norm(expected))")
}
