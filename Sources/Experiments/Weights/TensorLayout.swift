import Foundation

/// What a stored tensor's axes are to the layer that it is a weight of.
///
/// The spectral condition speaks of √(fan-out/fan-in); of a kernel stored the other way round both the
/// ratio and, with more than two dimensions, the matrix are others.
public struct TensorLayout: Hashable, Sendable {
  /// Which axes are outputs and which inputs.
  public enum Axes: String, Hashable, Sendable {
    /// PyTorch's linear layers and convolutions.
    case outputFirst = "[out, in, k, …]"
    /// GPT-2's Conv1D, PyTorch's transposed convolutions.
    case inputFirst = "[in, out, k, …]"
    /// Kernels of Flax and Keras.
    case outputLast = "[k, …, in, out]"
    /// Flax's kernels of queries, keys and values: inputs, heads, sizes of a head.
    case inputThenOutputs = "[in, heads, head]"
    /// Rows that one-hot inputs choose: the norm is that of the largest row, fan-in is 1.
    case embedding = "[vocabulary, width]"
  }

  /// Who says so.
  public enum Origin: String, Hashable, Sendable {
    /// Nobody: what PyTorch does.
    case usual
    /// The tensor's name.
    case name
    /// Which of its extents grow over networks of several widths, against what its name says.
    case extents
    /// An option.
    case option
  }

  /// Which axes are outputs and which inputs.
  public var axes = Axes.outputFirst
  /// Whether an axis before those counts matrices, such as a layer's experts.
  public var isStacked = false
  /// Who says so.
  public var origin = Origin.usual

  /// The axes in words: "[in, out]", "[stack, out, in]".
  public func text(dimensions: Int) -> String {
    let inner = dimensions - (isStacked ? 1 : 0)
    let text =
      switch axes {
      case .outputFirst: inner > 2 ? axes.rawValue : "[out, in]"
      case .inputFirst: inner > 2 ? axes.rawValue : "[in, out]"
      case .outputLast: inner > 2 ? axes.rawValue : "[in, out]"
      case .inputThenOutputs, .embedding: axes.rawValue
      }
    return isStacked ? "[stack, " + text.dropFirst() : text
  }

  /// The layout that a tensor's name gives away.
  ///
  /// GPT-2's `c_attn`, `c_fc` and `c_proj` are stored as [in, out] by some and as [out, in] by others: the
  /// first two have more outputs than inputs, the last fewer, which tells.
  static func named(_ name: String, shape: [Int]) -> TensorLayout {
    let parts = TensorName.components(name)
    var layout = TensorLayout()
    var sizes = shape
    if parts.contains("experts"), shape.count >= 3 {
      layout = TensorLayout(isStacked: true, origin: .name)
      sizes.removeFirst()
    }
    if let axes = axes(parts, sizes) {
      layout.axes = axes
      layout.origin = .name
    }
    return layout
  }

  private static func axes(_ parts: [String], _ sizes: [Int]) -> Axes? {
    guard sizes.count >= 2, let last = parts.last else { return nil }
    let module = last == "weight" ? parts.dropLast().last ?? last : last
    if embeddings.contains(module), sizes.drop(while: { $0 == 1 }).count == 2 { return .embedding }
    if last.hasSuffix("kernel") {
      if sizes.count == 2 { return .inputFirst }
      let isQuery = parts.contains { part in
        ["query", "key", "value"].contains { part.hasPrefix($0) }
      }
      return isQuery && sizes.count == 3 ? .inputThenOutputs : .outputLast
    }
    if sizes.count == 2 {
      let isConv1D =
        parts.contains { ["c_attn", "c_fc"].contains($0) } && sizes[1] > sizes[0]
        || parts.contains("c_proj") && sizes[0] > sizes[1]
      return isConv1D ? .inputFirst : nil
    }
    let isTransposed = parts.contains { part in
      let part = part.lowercased().replacing("_", with: "")
      return ["deconv", "convtranspose", "transposedconv"].contains { part.contains($0) }
    }
    return isTransposed ? .inputFirst : nil
  }

  private static let embeddings: Set = [
    "wte", "wpe", "emb", "embed", "embedding", "embeddings", "tok_emb", "tok_embeddings",
    "token_emb",
    "token_embedding", "token_embeddings", "word_embedding", "word_embeddings", "embed_tokens",
    "embed_in", "pos_emb", "pos_embed", "pos_embedding", "position_embedding",
    "position_embeddings",
    "embed_positions", "token_type_embeddings", "class_embedding", "label_embedding", "shared",
  ]
}

/// What a user says of tensors by patterns of their names, before what names give away.
public struct LayoutRules: Sendable {
  /// Tensors stored as [in, out, k, …].
  public var transposed: [NamePattern] = []
  /// Tensors whose first axis counts matrices.
  public var stacked: [NamePattern] = []
  /// Tensors that are embeddings [vocabulary, width].
  public var embeddings: [NamePattern] = []
  /// Tensors that are stored as [out, in, k, …] whatever their names say.
  public var asStored: [NamePattern] = []
  /// Tensors whose outputs are several matrices of one size, one after another: query, key and value.
  public var splits: [(pattern: NamePattern, count: Int)] = []

  /// Tensors whose first extent grows with width, which that of a vocabulary does not: whatever they are
  /// called, they are no embeddings.
  var growingRows: Set<ExactName> = []

  /// No rules: names alone decide.
  public init() {}

  /// The layout of a tensor.
  func layout(of tensor: StoredTensor) -> TensorLayout {
    func matches(_ patterns: [NamePattern]) -> Bool {
      patterns.contains { $0.matches(tensor.name) }
    }
    var layout =
      matches(asStored)
      ? TensorLayout(origin: .option) : TensorLayout.named(tensor.name, shape: tensor.shape)
    if matches(stacked), tensor.shape.count >= 3 {
      // What the name says is of the matrix without the axis.
      if !layout.isStacked, layout.origin == .name {
        layout = .named(tensor.name, shape: Array(tensor.shape.dropFirst()))
      }
      layout.isStacked = true
      layout.origin = .option
    }
    if layout.axes == .embedding, growingRows.contains(ExactName(tensor.name)) {
      layout.axes = .outputFirst
      if layout.origin == .name { layout.origin = .extents }
    }
    if matches(embeddings) {
      layout.axes = .embedding
      layout.origin = .option
    } else if matches(transposed) {
      layout.axes = .inputFirst
      layout.origin = .option
    }
    return layout
  }

  /// The matrices of a tensor; empty where it has no values to measure or fewer than two dimensions.
  ///
  /// - Throws: `LayoutError`.
  func matrices(of tensor: StoredTensor) throws -> [LayoutMatrix] {
    try LayoutMatrix.matrices(of: tensor, layout: layout(of: tensor), pieces: pieces(of: tensor))
  }

  /// Number of matrices that a tensor's outputs are.
  func pieces(of tensor: StoredTensor) -> Int {
    splits.first { $0.pattern.matches(tensor.name) }?.count ?? 1
  }

  /// Patterns that match no name.
  public func unmatched(in names: [String]) -> [NamePattern] {
    (transposed + stacked + embeddings + asStored + splits.map(\.pattern))
      .filter { pattern in !names.contains(where: pattern.matches) }
  }
}

/// A pattern of tensors' names: what they hold, or what they match where it has `*` or `?`.
public struct NamePattern: Hashable, Sendable {
  /// As given.
  public let text: String

  /// A pattern; none is wrong.
  public init(_ text: String) { self.text = text }

  /// Whether `name` is one of the pattern's.
  public func matches(_ name: String) -> Bool {
    text.contains(where: { "*?".contains($0) })
      ? fnmatch(text, name, 0) == 0 : name.contains(text)
  }
}

/// Names of tensors.
enum TensorName {
  /// The parts of a name, without a number that Keras sets behind a colon.
  static func components(_ name: String) -> [String] {
    let plain = name.split(separator: ":", maxSplits: 1).first ?? ""
    return plain.split(whereSeparator: { ".".contains($0) || $0 == "/" }).map(String.init)
  }

  /// The name without what wrappers put before or into it: `module.` (DataParallel), `_orig_mod.`
  /// (torch.compile), `model.`.
  static func canonical(_ name: String) -> String {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      .filter { $0 != "_orig_mod" }
    let rest = parts.drop { $0 == "module" || $0 == "model" }
    return (rest.isEmpty ? parts[...] : rest).joined(separator: ".")
  }

  /// `names` by what they are called in both files: themselves, or, where the other has no such name,
  /// their canonical form; of names that would then be alike none is changed.
  static func canonical(_ names: [String]) -> ExactNames<String> {
    var counts = ExactNames<Int>()
    for name in names { counts[canonical(name), default: 0] += 1 }
    return ExactNames(
      uniqueKeysWithValues: names.map { name in
        let short = canonical(name)
        return (name, counts[short] == 1 ? short : name)
      })
  }
}

/// A matrix within a stored tensor, as a layer multiplies by it.
struct LayoutMatrix {
  /// The tensor's name, with the number of the piece where it was split: "c_attn.weight[0]".
  let name: String
  let layout: TensorLayout
  let fanOut, fanIn: Int
  /// The matrices of the stack; one where there is none.
  let matrices: [StoredMatrix]

  /// The matrices of `tensor`: one, or as many as `pieces` says; empty where it has no values to measure
  /// or fewer than two dimensions.
  ///
  /// - Throws: `LayoutError` where the outputs are not `pieces` times as many.
  static func matrices(
    of tensor: StoredTensor, layout: TensorLayout, pieces: Int
  ) throws -> [LayoutMatrix] {
    guard tensor.type != nil, tensor.shape.count >= 2, !tensor.shape.contains(0) else { return [] }
    var axes = tensor.axes
    var layout = layout
    let stack = layout.isStacked ? axes.removeFirst() : TensorAxis(size: 1, stride: 0)
    if layout.axes == .embedding {
      let table = axes.count == 2 ? axes : Array(axes.drop { $0.size == 1 })
      if table.count == 2 { axes = table } else { layout.axes = .outputFirst }
    }
    // Rows are the axis that keeps rows together in the file where either will do.
    var rowsAreInputs = false
    switch layout.axes {
    case .outputFirst: break
    case .inputFirst, .outputLast:
      if axes.count == 2 {
        rowsAreInputs = true
      } else {
        axes.insert(
          layout.axes == .inputFirst ? axes.remove(at: 1) : axes.removeLast(), at: 0)
      }
    case .inputThenOutputs, .embedding: rowsAreInputs = true
    }
    let outputAxis = rowsAreInputs ? 1 : 0
    guard axes[outputAxis].size.isMultiple(of: pieces) else {
      throw LayoutError.uneven(
        name: tensor.name, outputs: axes[outputAxis].size, pieces: pieces)
    }
    let size = axes[outputAxis].size / pieces
    axes[outputAxis].size = size
    let others = axes.dropFirst().reduce(1) { $0 * $1.size }
    return (0..<pieces).map { piece in
      LayoutMatrix(
        name: pieces == 1 ? tensor.name : "\(tensor.name)[\(piece)]", layout: layout,
        fanOut: rowsAreInputs ? others : axes[0].size,
        fanIn: layout.axes == .embedding ? 1 : rowsAreInputs ? axes[0].size : others,
        matrices: (0..<stack.size).compactMap { index in
          StoredMatrix(
            tensor, axes: axes,
            first: index * stack.stride + piece * size * axes[outputAxis].stride)
        })
    }
  }
}

/// Outputs that cannot be split as asked.
public enum LayoutError: Error, Hashable, CustomStringConvertible {
  /// Outputs that are no multiple of the parts.
  case uneven(name: String, outputs: Int, pieces: Int)
  /// A part is called as another tensor of the file is.
  case sameName(String)

  /// One line: which tensor, what was expected of it and what was found.
  public var description: String {
    let text =
      switch self {
      case .uneven(let name, let outputs, let pieces):
        "--split: expected outputs of \(DataError.quoted(name)) in \(pieces) equal parts, found "
          + "\(outputs) outputs"
      case .sameName(let name):
        "--split: expected parts with names of their own, found a part and another matrix that are "
          + "both called \(DataError.quoted(name))"
      }
    return text.printable()
  }
}
