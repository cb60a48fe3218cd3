import Foundation

@testable import Experiments

/// A folder for one test's files, removed with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-data-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file into the folder; its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult
  func write(_ name: String, text: String) throws -> String { try write(name, Array(text.utf8)) }

  func makeFolder(_ name: String) throws -> String {
    let folder = "\(path)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder
  }
}

/// The error of loading a path; nil where it loads. Errors of other types fail the caller.
func loadError(_ path: String) throws -> DataError? {
  do {
    _ = try DataSet.load(path: path)
    return nil
  } catch let error as DataError {
    return error
  }
}

/// An IDX file: type code, sizes and values.
func idx(type: UInt8 = 0x08, sizes: [Int], values: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(sizes.count)]
    + sizes.flatMap { size in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) } }
    + values
}

/// An NPY file: element type as NumPy writes it, shape and the bytes of the values.
func npy(
  _ type: String, _ shape: [Int], _ values: [UInt8], version: UInt8 = 1, fortranOrder: Bool = false
) -> [UInt8] {
  let sizes = shape.map { "\($0)," }.joined(separator: " ")
  let order = fortranOrder ? "True" : "False"
  let header = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': (\(sizes)), }\n"
  let length = (0..<(version == 1 ? 2 : 4)).map {
    UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0))
  }
  return [0x93] + "NUMPY".utf8 + [version, 0] + length + header.utf8 + values
}

/// The bytes of values, in this machine's order (little-endian wherever tests run).
func raw<Value: BitwiseCopyable>(_ values: [Value]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// Sets a file's length without writing it; false where the system refuses.
func setFileSize(_ path: String, _ size: Int) -> Bool { truncate(path, off_t(size)) == 0 }
