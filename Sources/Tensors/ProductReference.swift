/// Products of one form and shape in Double.
package struct ProductReference {
  let form: ProductForm
  let m, n, k: Int
  /// Of b: as many as a's, or 1 that serves all.
  let replicasB: Int

  package init(form: ProductForm, m: Int, n: Int, k: Int, replicasB: Int) {
    (self.form, self.m, self.n, self.k, self.replicasB) = (form, m, n, k, replicasB)
  }

  /// Every element, rounded.
  func product(_ a: [Float], _ b: [Float]) -> [Float] {
    let (rowA, stepA) = form == .tn ? (1, m) : (k, 1)
    let (columnB, stepB) = form == .nt ? (k, 1) : (1, n)
    return (0..<a.count / k * n).map { index in
      let (replica, i, j) = (index / (m * n), index / n % m, index % n)
      let x = replica * m * k + i * rowA
      let y = (replicasB == 1 ? 0 : replica * k * n) + j * columnB
      return Float(
        (0..<k).reduce(0.0) { $0 + Double(a[x + $1 * stepA]) * Double(b[y + $1 * stepB]) })
    }
  }

  /// The greatest |got − sign·Σ a·b| over Σ|a·b| of every `step`-th element; NaN where one is.
  ///
  /// - got: [replica, m, n]. a, b: as the form has them. upper: whether what lies below the diagonal is
  ///   left out.
  package func greatestError(
    _ got: [Float], a: [Float], b: [Float], every step: Int = 1, sign: Double = 1,
    upper: Bool = false
  ) -> Double {
    let (rowA, stepA) = form == .tn ? (1, m) : (k, 1)
    let (columnB, stepB) = form == .nt ? (k, 1) : (1, n)
    var greatest = 0.0
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for index in stride(from: 0, to: got.count, by: step) {
          let (replica, i, j) = (index / (m * n), index / n % m, index % n)
          if upper && i > j { continue }
          var x = replica * m * k + i * rowA
          var y = (replicasB == 1 ? 0 : replica * k * n) + j * columnB
          var (sum, magnitude) = (0.0, 0.0)
          var left = k
          while left > 0 {
            let term = Double(a[x]) * Double(b[y])
            sum += term
            magnitude += term.magnitude
            x += stepA
            y += stepB
            left -= 1
          }
          let error = abs(Double(got[index]) - sign * sum)
          let relative = error == 0 ? 0 : error / magnitude
          if !(relative <= greatest) { greatest = relative }
          if greatest.isNaN { return }
        }
      }
    }
    return greatest
  }
}
