import CKernels

/// The families of kernels, one file of Kernels/ each.
enum KernelSource: String, CaseIterable {
  case activation, fill, gather, loss, reduction, random, update

  /// The file's name, for messages.
  var file: String { "Kernels/\(rawValue).cl" }

  /// The file's text, embedded in the program.
  var text: String {
    let bytes =
      switch self {
      case .activation: gputrain_activation_source()
      case .fill: gputrain_fill_source()
      case .gather: gputrain_gather_source()
      case .loss: gputrain_loss_source()
      case .reduction: gputrain_reduction_source()
      case .random: gputrain_random_source()
      case .update: gputrain_update_source()
      }
    return String(cString: bytes!)
  }
}
