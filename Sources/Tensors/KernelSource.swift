import CKernels

/// The families of kernels, one file of Kernels/ each.
package enum KernelSource: String, CaseIterable {
  case activation, fill, gather, gram, loss, reduction, random, ritz, spectral, update

  /// The file's name, for messages.
  package var file: String { "Kernels/\(rawValue).cl" }

  /// The file's text, embedded in the program.
  package var text: String {
    let bytes =
      switch self {
      case .activation: gputrain_activation_source()
      case .fill: gputrain_fill_source()
      case .gather: gputrain_gather_source()
      case .gram: gputrain_gram_source()
      case .loss: gputrain_loss_source()
      case .reduction: gputrain_reduction_source()
      case .random: gputrain_random_source()
      case .ritz: gputrain_ritz_source()
      case .spectral: gputrain_spectral_source()
      case .update: gputrain_update_source()
      }
    return String(cString: bytes!)
  }
}
