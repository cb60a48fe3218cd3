import Foundation
import GPUTrain

/// The operation's gradients of Σ c∘y against central differences of the formula in Double.
///
/// - Returns: the greatest deviation of any entry, relative to the greatest of its tensor.
func gradientDeviation(compute: Compute) throws -> Double {
  let (replicas, rows, columns) = (2, 5, 37)
  var random = Philox(seed: 1, stream: 0)
  func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in random.uniform(-1, 1) } }
  let (x, c) = (numbers(replicas * rows * columns), numbers(replicas * rows * columns))
  let values = ["scale": numbers(replicas), "gain": numbers(replicas * columns)]

  let operation = DynamicTanh()
  let parameters = try operation.parameters(of: [.growing(columns)]).map { parameter in
    Parameter(
      name: parameter.path, shape: parameter.shape,
      value: try compute.tensor(
        values[parameter.path]!, replicas: replicas, rows: 1, columns: parameter.shape.fanOut))
  }
  let input = try compute.tensor(x, replicas: replicas, rows: rows, columns: columns)
  let value = try operation.forward([input], parameters, compute: compute)
  let delta = try compute.tensor(c, replicas: replicas, rows: rows, columns: columns)
  var got: [String: [Float]] = [:]
  let passed = try operation.backward(
    delta,
    BackwardPass(
      inputs: [input], value: value, parameters: parameters, wantsInput: [true],
      mayOverwrite: true, compute: compute)
  ) { parameter, gradient in
    got[parameter.name] = try compute.read(gradient.materialized(compute))
  }
  got["x"] = try compute.read(passed[0]!)

  /// Σ c∘y, with `shift` added to one entry of one of the tensors.
  func loss(_ name: String, _ index: Int, _ shift: Double) -> Double {
    func at(_ tensor: String, _ values: [Float], _ place: Int) -> Double {
      Double(values[place]) + (tensor == name && place == index ? shift : 0)
    }
    return x.indices.reduce(0) { sum, place in
      let replica = place / (rows * columns)
      let gain = at("gain", values["gain"]!, replica * columns + place % columns)
      let inner = at("scale", values["scale"]!, replica) * at("x", x, place)
      return sum + Double(c[place]) * gain * tanh(inner)
    }
  }
  let step = 1e-5
  return got.map { name, gradient in
    let expected = gradient.indices.map {
      (loss(name, $0, step) - loss(name, $0, -step)) / (2 * step)
    }
    let largest = expected.map(abs).max()!
    return zip(gradient, expected).map { abs(Double($0) - $1) }.max()! / largest
  }.max()!
}
