import Foundation

@testable import Experiments

/// A safetensors file: header text and bytes of values, with the header's length in front.
func safetensors(_ header: String, _ values: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
  let count = length ?? UInt64(header.utf8.count)
  return raw([count]) + Array(header.utf8) + values
}

/// An entry of such a header.
func entry(_ name: String, _ type: String, _ shape: [Int], _ begin: Int, _ end: Int) -> String {
  #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[\#(begin),\#(end)]}"#
}

/// A member of a ZIP archive that the test makes; each claim can be made to lie.
struct ZipFixture {
  var name: String
  /// The bytes as they lie in the archive.
  var stored: [UInt8]
  var method: UInt16 = 0
  var size: UInt32
  var checksum: UInt32
  var flags: UInt16 = 0
  var localName: String?

  /// A member stored as it is.
  init(_ name: String, _ contents: [UInt8]) {
    self.name = name
    stored = contents
    size = UInt32(contents.count)
    checksum = crc(contents)
  }

  /// A member compressed to one literal deflate block, or two of them: a stream that zlib reads
  /// and no compressor is needed for.
  init(deflated name: String, _ contents: [UInt8]) {
    self.init(name, contents)
    method = 8
    stored = []
    var rest = contents[...]
    repeat {
      let part = rest.prefix(0xFFFF)
      rest = rest.dropFirst(part.count)
      let length = UInt16(part.count)
      stored += [rest.isEmpty ? 1 : 0] + raw([length, ~length]) + part
    } while !rest.isEmpty
  }
}

/// The archive of such members. `wide`: sizes and offsets in ZIP64 fields, as NumPy may write them.
func zip(_ members: [ZipFixture], wide: Bool = false) -> [UInt8] {
  var bytes: [UInt8] = []
  var directory: [UInt8] = []
  for member in members {
    let offset = bytes.count
    let localName = member.localName ?? member.name
    bytes += raw([0x0403_4B50] as [UInt32]) + raw([20, member.flags, member.method, 0, 0])
    bytes += raw([member.checksum, UInt32(member.stored.count), member.size])
    bytes += raw([UInt16(localName.utf8.count), 0]) + Array(localName.utf8) + member.stored

    let extra: [UInt8] =
      wide
      ? raw([9, 2] as [UInt16]) + [7, 7] + raw([1, 24] as [UInt16])
        + raw([UInt64(member.size), UInt64(member.stored.count), UInt64(offset)]) : []
    let sizes: [UInt32] =
      wide
      ? [.max, .max] : [UInt32(member.stored.count), member.size]
    directory += raw([0x0201_4B50] as [UInt32]) + raw([20, 20, member.flags, member.method, 0, 0])
    directory += raw([member.checksum] + sizes)
    directory += raw([UInt16(member.name.utf8.count), UInt16(extra.count), 0, 0, 0])
    directory += raw([0, wide ? UInt32.max : UInt32(offset)]) + Array(member.name.utf8) + extra
  }
  let start = bytes.count
  let count = UInt16(members.count)
  bytes += directory
  if wide {
    let record = bytes.count
    bytes += raw([0x0606_4B50] as [UInt32]) + raw([44] as [UInt64]) + raw([45, 45] as [UInt16])
    bytes += raw([0, 0] as [UInt32])
    bytes += raw([UInt64(count), UInt64(count), UInt64(directory.count), UInt64(start)])
    bytes += raw([0x0706_4B50, 0] as [UInt32]) + raw([UInt64(record)]) + raw([1] as [UInt32])
  }
  bytes += raw([0x0605_4B50] as [UInt32])
  bytes += raw([0, 0, wide ? .max : count, wide ? .max : count] as [UInt16])
  bytes += raw([wide ? .max : UInt32(directory.count), wide ? .max : UInt32(start)] as [UInt32])
  return bytes + [0, 0]
}

/// CRC-32, bit by bit.
func crc(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(UInt32.max) { sum, byte in
    (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
    }
  }
}

/// Random numbers that a seed repeats.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

/// Singular values by one-sided Jacobi rotations in Double, greatest first: slow and plain.
func singularValues(_ values: [Float], rows: Int, columns: Int) -> [Double] {
  var vectors = (0..<columns).map { column in
    (0..<rows).map { Double(values[$0 * columns + column]) }
  }
  func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
  for _ in 0..<60 {
    var rotated = false
    for p in 0..<columns {
      for q in (p + 1)..<max(columns, p + 1) {
        let (alpha, beta) = (dot(vectors[p], vectors[p]), dot(vectors[q], vectors[q]))
        let gamma = dot(vectors[p], vectors[q])
        if abs(gamma) <= 1e-15 * (alpha * beta).squareRoot() { continue }
        rotated = true
        let zeta = (beta - alpha) / (2 * gamma)
        let t = (zeta < 0 ? -1 : 1) / (abs(zeta) + (1 + zeta * zeta).squareRoot())
        let cosine = 1 / (1 + t * t).squareRoot()
        let sine = cosine * t
        for row in 0..<rows {
          let (x, y) = (vectors[p][row], vectors[q][row])
          vectors[p][row] = cosine * x - sine * y
          vectors[q][row] = sine * x + cosine * y
        }
      }
    }
    if !rotated { break }
  }
  return vectors.map { dot($0, $0).squareRoot() }.sorted(by: >)
}

/// A measure on the host, by that reference.
struct ReferenceMeasure: MatrixMeasure {
  func norms(of matrix: any MatrixRows) throws -> MatrixNorms {
    let values = try matrix.values(0..<matrix.rows)
    let singular = singularValues(values, rows: matrix.rows, columns: matrix.columns)
    return MatrixNorms(
      spectral: singular[0], lower: singular[0], upper: singular[0],
      frobenius: singular.reduce(0) { $0 + $1 * $1 }.squareRoot())
  }
}

/// The error of opening a weight file; nil where it opens. Errors of other types fail the caller.
func weightError(_ bytes: [UInt8], name: String = "w.safetensors") throws -> DataError? {
  let folder = try TemporaryFolder()
  let path = try folder.write(name, bytes)
  do {
    for tensor in try WeightFile(path: path).tensors {
      if let matrix = StoredMatrix(tensor) {
        _ = try matrix.values(0..<matrix.rows, as: Float.self)
      }
    }
    return nil
  } catch let error as DataError {
    return error
  }
}
