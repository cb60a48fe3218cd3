import Foundation

/// The tensors of a file, whatever its format; values stay in the file until they are read.
public struct WeightFile {
  /// What a file holds.
  struct Contents {
    var tensors: [StoredTensor] = []
    /// Parts that are left aside, in words.
    var leftAside: [String] = []
    /// Tensors that cannot be read while others can.
    var unread: [Unread] = []
  }

  /// A tensor that cannot be read.
  struct Unread {
    let name: String
    /// Why, in a line that names the file.
    let reason: String
    /// Whether the file is broken there, and does not only hold what is not read here.
    let isDamaged: Bool
  }

  /// Where the file is, as given.
  public let path: String
  private let contents: Contents
  /// Whether the file is one array, whose name is then the file's.
  let isSingleArray: Bool

  /// Its tensors.
  public var tensors: [StoredTensor] { contents.tensors }
  /// Parts of the file that are left aside, in words: members of an archive that are no arrays, objects
  /// of a PyTorch file that are no tensors.
  public var leftAside: [String] { contents.leftAside }
  /// What is wrong with tensors that cannot be read while others can, a line each.
  public var unreadable: [String] { contents.unread.filter(\.isDamaged).map(\.reason) }
  /// Tensors that are there and cannot be read.
  var unread: [Unread] { contents.unread }

  static let expected =
    "weights: safetensors, PyTorch's .pt or .bin, an index of such files, NPY or NPZ"

  /// Opens a safetensors or PyTorch file, an index of such files (or the directory that holds one), an
  /// NPY or an NPZ file; which of them, its first bytes decide. Headers are read and checked in full.
  ///
  /// - Throws: `DataError`.
  public init(path: String) throws {
    self.path = path
    let file = try RandomAccessFile(path: Self.file(at: path), expected: Self.expected)
    isSingleArray = try file.read(0..<min(6, file.byteCount)).starts(with: NPYHeader.magic)
    contents =
      file.path.hasSuffix(".json")
      ? try ShardedWeights.contents(file) : try Self.contents(file, path: path)
  }

  /// The contents of one file that is no index.
  ///
  /// - path: for errors; the file's own where nil.
  /// - Throws: `DataError`.
  static func contents(_ file: RandomAccessFile, path: String? = nil) throws -> Contents {
    let start = try file.read(0..<min(9, file.byteCount))
    if start.starts(with: NPYHeader.magic) {
      return Contents(tensors: [try NPZFile.tensor(npy: file)])
    }
    if ZipArchive.magics.contains(where: start.starts) {
      let archive = try ZipArchive(file)
      return try PyTorchFile.contents(archive) ?? NPZFile.contents(npz: archive)
    }
    if file.path.hasSuffix(".safetensors") || start.count == 9 && start[8] == 0x7B {
      return Contents(tensors: try SafetensorsFile.tensors(file))
    }
    if start.first == Pickle.protocolMark {
      throw DataError.unsupported(
        path: path ?? file.path, expected: "a PyTorch file in the ZIP format of 1.6 and later",
        found: "a bare pickle; torch.load it and torch.save its state_dict again")
    }
    throw DataError.unrecognized(path: path ?? file.path, expected: expected)
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
    // Where a model is there in both formats, safetensors is taken.
    let found =
      [".safetensors.index.json", ".safetensors", ".bin.index.json", "pytorch_model.bin"].lazy
      .map { ending in names.filter { $0.hasSuffix(ending) } }.first { !$0.isEmpty } ?? []
    guard found.count == 1 else {
      throw DataError.unsupported(
        path: path, expected: "a directory with one safetensors index, or one safetensors file",
        found: found.isEmpty ? "none" : found.joined(separator: ", "))
    }
    return path.hasSuffix("/") ? path + found[0] : "\(path)/\(found[0])"
  }
}
