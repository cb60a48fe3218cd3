/// What an orthogonalised update, whose singular values are 1, is multiplied by: four rules that are in use
/// under contradictory names.
///
///     condition      √(fanOut/fanIn)            ‖ΔW‖_* at the spectral condition, for every shape
///     jordan         √max(1, fanOut/fanIn)      the same where fan-out is not below fan-in
///     max-dimension  √max(fanOut, fanIn)        grows as √n on square layers
///     match-rms      0.2·√max(fanOut, fanIn)    entries of Adam's size; grows as √n on square layers
///
/// Along width a hidden matrix keeps its ratio: `jordan` is then `condition` times a constant of the layer,
/// and `match-rms` is `max-dimension` at 0.2 of the rate. The four are two rules, which shapes with a fixed
/// dimension or several ratios tell apart.
///
/// Sources: arXiv:2310.17813 (the condition; so in Scion, arXiv:2502.07529, and dion); Jordan et al., 2024,
/// and optax; Megatron-LM's default; Moonlight, arXiv:2502.16982, and torch.optim.Muon's
/// `match_rms_adamw`.
public enum MuonScale: String, Codable, Hashable, Sendable, CaseIterable {
  /// √(fanOut/fanIn).
  case condition
  /// √max(1, fanOut/fanIn).
  case jordan
  /// √max(fanOut, fanIn).
  case maxDimension = "max-dimension"
  /// 0.2·√max(fanOut, fanIn).
  case matchRMS = "match-rms"

  /// The factor for a weight [fanOut, fanIn].
  public func factor(fanOut: Int, fanIn: Int) -> Double {
    let (fanOut, fanIn) = (Double(fanOut), Double(fanIn))
    return switch self {
    case .condition: (fanOut / fanIn).squareRoot()
    case .jordan: max(1, fanOut / fanIn).squareRoot()
    case .maxDimension: max(fanOut, fanIn).squareRoot()
    case .matchRMS: 0.2 * max(fanOut, fanIn).squareRoot()
    }
  }
}
