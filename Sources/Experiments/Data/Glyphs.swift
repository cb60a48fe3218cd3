import Tensors

/// The built-in data set: handwriting-like digits of 8×8 pixels, drawn from a seed.
///
/// Skeletons (`GlyphStrokes`) are bent, turned, sheared, scaled, moved, drawn with a pen of random
/// width, then made noisy. Only +, −, ×, ÷ and √ are used, which IEEE 754 rounds
/// one way, so a seed makes the same bytes on every platform.
enum Glyphs {
  static let side = 8
  static let inputs = side * side
  static let classes = 10

  /// Standard deviation of the pixels' noise, of which full ink is 1: so much that no network can know
  /// them all, and wider ones gain by what they learn, not by what they remember.
  private static let noise: Float = 0.3

  /// Pixels to one unit of the glyph plane.
  private static let unit: Float = 3.1

  static func features(count: Int, seed: UInt64) -> [UInt8] {
    var images = [UInt8](repeating: 0, count: count * inputs)
    var coverage = [Float](repeating: 0, count: inputs)
    for row in 0..<count {
      // A generator of its own for each row: a smaller set is the start of a larger one.
      var random = Philox(seed: seed, stream: UInt64(row))
      draw(digit: row % classes, into: &coverage, random: &random)
      let contrast = random.uniform(0.65, 1)
      for pixel in 0..<inputs {
        let level = contrast * coverage[pixel] + noise * random.roughlyNormal()
        images[row * inputs + pixel] = UInt8(255 * min(max(level, 0), 1) + 0.5)
      }
    }
    return images
  }

  /// Ink of each pixel, 0…1.
  private static func draw(
    digit: Int, into coverage: inout [Float], random: inout Philox
  ) {
    for pixel in 0..<inputs { coverage[pixel] = 0 }
    let ways = GlyphStrokes.digits[digit]
    let place = Placement(random: &random)
    let halfWidth = random.uniform(0.35, 0.75)
    for stroke in ways[random.index(below: ways.count)] {
      let points = stroke.points.map { place.pixel($0, wobble: 0.07, random: &random) }
      for index in 0..<(points.count - 1) {
        let (from, to) = (points[index], points[index + 1])
        guard stroke.isCurve else {
          ink(from, to, halfWidth: halfWidth, into: &coverage)
          continue
        }
        let before = index > 0 ? points[index - 1] : from
        let after = index + 2 < points.count ? points[index + 2] : to
        var last = from
        for step in 1...3 {
          let next = catmullRom(before, from, to, after, at: Float(step) / 3)
          ink(last, next, halfWidth: halfWidth, into: &coverage)
          last = next
        }
      }
    }
  }

  /// From the glyph plane to pixels: a random affine map.
  private struct Placement {
    let xx: Float
    let xy: Float
    let yx: Float
    let yy: Float
    let x: Float
    let y: Float

    init(random: inout Philox) {
      // A turn by θ from t = tan(θ/2), without sine or cosine: up to ±17°.
      let t = random.uniform(-0.15, 0.15)
      let cosine = (1 - t * t) / (1 + t * t)
      let sine = 2 * t / (1 + t * t)
      let shear = random.uniform(-0.25, 0.25)
      let width = unit * random.uniform(0.75, 1.15)
      let height = unit * random.uniform(0.8, 1.08)
      xx = cosine * width
      xy = (cosine * -shear - sine) * height
      yx = sine * width
      yy = (cosine - sine * shear) * height
      x = Float(side - 1) / 2 + random.uniform(-0.6, 0.6)
      y = Float(side - 1) / 2 + random.uniform(-0.4, 0.4)
    }

    func pixel(_ point: GlyphPoint, wobble: Float, random: inout Philox) -> GlyphPoint {
      let u = point.x + wobble * random.roughlyNormal()
      let v = point.y + wobble * random.roughlyNormal()
      return GlyphPoint(xx * u + xy * v + x, yx * u + yy * v + y)
    }
  }

  /// The cubic through b (t = 0) and c (t = 1) with slopes (c − a)/2 and (d − b)/2.
  private static func catmullRom(
    _ a: GlyphPoint, _ b: GlyphPoint, _ c: GlyphPoint, _ d: GlyphPoint, at t: Float
  ) -> GlyphPoint {
    let t2 = t * t
    let t3 = t2 * t
    let wa = (2 * t2 - t3 - t) / 2
    let wb = (3 * t3 - 5 * t2 + 2) / 2
    let wc = (4 * t2 - 3 * t3 + t) / 2
    let wd = (t3 - t2) / 2
    let x = wa * a.x + wb * b.x + wc * c.x + wd * d.x
    let y = wa * a.y + wb * b.y + wc * c.y + wd * d.y
    return GlyphPoint(x, y)
  }

  /// Lays a line of ink: full up to `halfWidth` − ½ pixel from its middle, none from ½ beyond.
  private static func ink(
    _ from: GlyphPoint, _ to: GlyphPoint, halfWidth: Float, into coverage: inout [Float]
  ) {
    let reach = halfWidth + 0.5
    let dx = to.x - from.x
    let dy = to.y - from.y
    let lengthSquared = max(dx * dx + dy * dy, 1e-6)
    guard let columns = pixels(from.x, to.x, reach), let rows = pixels(from.y, to.y, reach) else {
      return
    }
    coverage.withUnsafeMutableBufferPointer { coverage in
      var row = rows.lowerBound
      while row <= rows.upperBound {
        var column = columns.lowerBound
        while column <= columns.upperBound {
          let px = Float(column) - from.x
          let py = Float(row) - from.y
          let along = min(max((px * dx + py * dy) / lengthSquared, 0), 1)
          let ex = px - along * dx
          let ey = py - along * dy
          let ink = min(reach - (ex * ex + ey * ey).squareRoot(), 1)
          let pixel = row * side + column
          if ink > coverage[pixel] { coverage[pixel] = ink }
          column += 1
        }
        row += 1
      }
    }
  }

  /// Pixels of one axis within reach of a span; nil where it lies outside the image.
  private static func pixels(_ a: Float, _ b: Float, _ reach: Float) -> ClosedRange<Int>? {
    let low = max(min(a, b) - reach, 0).rounded(.up)
    let high = min(max(a, b) + reach, Float(side - 1)).rounded(.down)
    return low <= high ? Int(low)...Int(high) : nil
  }
}

extension DataSet {
  /// The built-in data set: handwriting-like digits in 8×8 bytes, drawn from a seed.
  /// - count: rows, ≥ 1; row r is of digit r mod 10, so classes are level to one row. A smaller
  ///   set is the start of a larger one of the same seed.
  /// - seed: the same bytes for the same seed on every platform.
  ///
  /// 64 inputs, 10 classes. Meant to be learnable but not easy: see the figures in the tests.
  public static func glyphs(count: Int = 11_000, seed: UInt64 = 0) -> DataSet {
    precondition(count >= 1, "glyphs: count \(count), expected ≥ 1")
    return DataSet(
      name: "glyphs", features: .bytes(Glyphs.features(count: count, seed: seed)),
      labels: (0..<count).map { UInt32($0 % Glyphs.classes) }, inputs: Glyphs.inputs,
      classes: Glyphs.classes)
  }
}

extension Philox {
  /// Roughly normal, mean 0 and variance 1: the sum of twelve uniforms, less 6 (three parts of
  /// 21 bits from each of four outputs). Additions only, so every platform makes the same bits.
  mutating func roughlyNormal() -> Float {
    var sum: Int64 = 0
    for _ in 0..<4 {
      let bits = next()
      sum += Int64(bits & 0x1F_FFFF) + Int64((bits >> 21) & 0x1F_FFFF) + Int64(bits >> 43)
    }
    return Float(sum) * 0x1p-21 - 6
  }
}
