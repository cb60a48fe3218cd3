import CKernels

/// The files of Kernels/: families of kernels, and what several families include.
package enum KernelSource: String, CaseIterable {
  case activation, arithmetic, fill, gather, gram, loss, multiply, normalization, order
  case orthogonalization, random
  case pack, record, reduction, ritz, slices, spectral, symmetric, update
  case gradientScale = "gradient_scale"
  /// Of GPUs: compiled for a variant and a tile.
  case multiplyLocal = "multiply_local"
  case multiplyTensor = "multiply_tensor"
  /// Of GPUs: compiled for a network.
  case onChip = "on_chip"
  case multiplyWarpgroup = "multiply_warpgroup"
  /// A variant's kernels of the file that includes it.
  case ritzGroup = "ritz_group"
  case ritzItem = "ritz_item"
  case spectralGroup = "spectral_group"
  /// Included by others: no kernels of their own.
  case epilogue, lanes, mma, nonlinearity, packed, philox, rounding, rules, span, tile, vector
  case wgmma, workgroup
  case multiplyGroup = "multiply_group"

  /// The file's name, for messages.
  package var file: String { "Kernels/\(rawValue).cl" }

  /// The file's text with those that it includes, each once; line directives say where lines are from.
  package var text: String {
    var included: Set<KernelSource> = [self]
    return Self.text(of: self, included: &included)
  }

  private static func text(of source: KernelSource, included: inout Set<KernelSource>) -> String {
    let lines = source.ownText.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.enumerated().map { number, line in
      guard line.hasPrefix("#include"), let name = line.firstMatch(of: /"(\w+)\.cl"/)?.1 else {
        return String(line)
      }
      guard let part = KernelSource(rawValue: String(name)) else {
        preconditionFailure("\(source.file) includes \(name).cl, which is not in Kernels/")
      }
      guard included.insert(part).inserted else { return "" }
      return "#line 1 \"\(part.file)\"\n" + text(of: part, included: &included)
        + "\n#line \(number + 2) \"\(source.file)\""
    }.joined(separator: "\n")
  }

  /// The file's own text, embedded in the program.
  private var ownText: String {
    let bytes =
      switch self {
      case .activation: gputrain_activation_source()
      case .arithmetic: gputrain_arithmetic_source()
      case .epilogue: gputrain_epilogue_source()
      case .fill: gputrain_fill_source()
      case .gather: gputrain_gather_source()
      case .gradientScale: gputrain_gradient_scale_source()
      case .gram: gputrain_gram_source()
      case .lanes: gputrain_lanes_source()
      case .loss: gputrain_loss_source()
      case .mma: gputrain_mma_source()
      case .multiply: gputrain_multiply_source()
      case .multiplyGroup: gputrain_multiply_group_source()
      case .multiplyLocal: gputrain_multiply_local_source()
      case .multiplyTensor: gputrain_multiply_tensor_source()
      case .multiplyWarpgroup: gputrain_multiply_warpgroup_source()
      case .nonlinearity: gputrain_nonlinearity_source()
      case .normalization: gputrain_normalization_source()
      case .onChip: gputrain_on_chip_source()
      case .pack: gputrain_pack_source()
      case .packed: gputrain_packed_source()
      case .order: gputrain_order_source()
      case .orthogonalization: gputrain_orthogonalization_source()
      case .philox: gputrain_philox_source()
      case .random: gputrain_random_source()
      case .record: gputrain_record_source()
      case .reduction: gputrain_reduction_source()
      case .ritz: gputrain_ritz_source()
      case .ritzGroup: gputrain_ritz_group_source()
      case .ritzItem: gputrain_ritz_item_source()
      case .rounding: gputrain_rounding_source()
      case .rules: gputrain_rules_source()
      case .slices: gputrain_slices_source()
      case .span: gputrain_span_source()
      case .spectral: gputrain_spectral_source()
      case .spectralGroup: gputrain_spectral_group_source()
      case .symmetric: gputrain_symmetric_source()
      case .tile: gputrain_tile_source()
      case .update: gputrain_update_source()
      case .vector: gputrain_vector_source()
      case .wgmma: gputrain_wgmma_source()
      case .workgroup: gputrain_workgroup_source()
      }
    return String(cString: bytes!)
  }
}
