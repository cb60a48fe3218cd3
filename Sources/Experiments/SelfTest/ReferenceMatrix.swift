import Foundation

/// A matrix in Double on the host, by plain loops: what devices are held to.
struct ReferenceMatrix {
  var values: [Double]
  let rows, columns: Int

  init(_ values: [Double], _ rows: Int, _ columns: Int) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows)×\(columns)")
    (self.values, self.rows, self.columns) = (values, rows, columns)
  }

  init(_ values: [Float], _ rows: Int, _ columns: Int) {
    self.init(values.map(Double.init), rows, columns)
  }

  var transposed: ReferenceMatrix {
    ReferenceMatrix(
      (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } },
      columns, rows)
  }

  func times(_ other: ReferenceMatrix) -> ReferenceMatrix {
    precondition(columns == other.rows, "\(rows)×\(columns) by \(other.rows)×\(other.columns)")
    var product = [Double](repeating: 0, count: rows * other.columns)
    for i in 0..<rows {
      for k in 0..<columns {
        let factor = values[i * columns + k]
        for j in 0..<other.columns {
          product[i * other.columns + j] += factor * other.values[k * other.columns + j]
        }
      }
    }
    return ReferenceMatrix(product, rows, other.columns)
  }

  /// −log softmax(row)[label] of each row, and the gradient of their mean.
  func crossEntropy(labels: [UInt32]) -> (losses: [Double], gradient: ReferenceMatrix) {
    var losses: [Double] = []
    var gradient = self
    for row in 0..<rows {
      let logits = values[row * columns..<(row + 1) * columns]
      let largest = logits.max()!
      let total = logits.reduce(0) { $0 + exp($1 - largest) }
      let label = Int(labels[row])
      losses.append(log(total) + largest - values[row * columns + label])
      for column in 0..<columns {
        let share = exp(values[row * columns + column] - largest) / total
        gradient.values[row * columns + column] = (share - (column == label ? 1 : 0)) / Double(rows)
      }
    }
    return (losses, gradient)
  }

  static func tanh(_ x: Double) -> Double { Foundation.tanh(x) }

  /// The tanh form (Hendrycks & Gimpel, arXiv:1606.08415).
  static func gelu(_ z: Double) -> Double {
    0.5 * z * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)))
  }
}

extension Double {
  var squared: Double { self * self }
}
