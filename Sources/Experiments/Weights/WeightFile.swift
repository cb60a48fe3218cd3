import Foundation

/// The tensors of a file, whatever its format; values stay in the file until they are read.
public struct WeightFile {
  /// Where the file is, as given.
  public let path: String
  /// Its tensors.
  public let tensors: [StoredTensor]
  /// Parts of the file that are left aside, in words: members of an archive that are no arrays.
  public let leftAside: [String]
  /// Whether the file is one array, whose name is then the file's.
  let isSingleArray: Bool

  static let expected = "weights: safetensors, an index of safetensors files, NPY or NPZ"

  /// Opens a safetensors file, an index of such files (or the directory that holds one), an NPY or
  /// an NPZ file; which of them, its first bytes decide. Headers are read and checked in full.
  ///
  /// - Throws: `DataError`.
  public init(path: String) throws {
    self.path = path
    let file = try RandomAccessFile(path: Self.file(at: path), expected: Self.expected)
    let start = try file.read(0..<min(9, file.byteCount))
    isSingleArray = start.starts(with: NPYHeader.magic)
    if isSingleArray {
      tensors = [try NPZFile.tensor(npy: file)]
      leftAside = []
    } else if ZipArchive.magics.contains(where: start.starts) {
      let (tensors, others) = try NPZFile.tensors(npz: file)
      self.tensors = tensors
      leftAside = others == 0 ? [] : ["\(others) members of the archive that are no .npy"]
    } else if file.path.hasSuffix(".json") {
      let (tensors, others) = try ShardedSafetensors.tensors(file)
      self.tensors = tensors
      leftAside = others == 0 ? [] : ["\(others) tensors that the index does not name"]
    } else if file.path.hasSuffix(".safetensors") || start.count == 9 && start[8] == 0x7B {
      tensors = try SafetensorsFile.tensors(file)
      leftAside = []
    } else {
      throw DataError.unrecognized(path: path, expected: Self.expected)
    }
  }

  /// `path`, or the model's file where it is a directory: its index, else model.safetensors.
  private static func file(at path: String) throws -> String {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      isDirectory.boolValue
    else { return path }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw DataError.unreadable(path: path, reason: "the directory cannot be listed")
    }
    let indices = names.filter { $0.hasSuffix(ShardedSafetensors.suffix) }
    let found = indices.isEmpty ? names.filter { $0.hasSuffix(".safetensors") } : indices
    guard found.count == 1 else {
      throw DataError.unsupported(
        path: path, expected: "a directory with one safetensors index, or one safetensors file",
        found: found.isEmpty ? "none" : found.joined(separator: ", "))
    }
    return path.hasSuffix("/") ? path + found[0] : "\(path)/\(found[0])"
  }
}
