/// What diagnostics measure of one layer; the raw value names it in `metrics.jsonl`, after the
/// layer's name and a slash.
///
/// A layer's target is √(fanOut/fanIn). Of an embedding, whose input is one-hot, fanIn is 1 and ‖·‖_* the norm
/// of the largest row; the features of attention are the logits of tokens with themselves.
/// h is the layer's output over a fixed probe batch (of the
/// readout: the logits), ΔW one step's update, "total" the change since the start. All are pure
/// numbers; rms is the root mean square over units and rows.
public enum DiagnosticQuantity: String, Codable, Hashable, Sendable, CaseIterable {
  /// ‖W‖_*, the largest singular value.
  case spectralNorm = "spectral_norm"
  /// ‖Wᵀu − σv‖/σ for the right vector v that the norm was found by, σ = ‖Wv‖, u = Wv/σ: some singular
  /// value lies within it of the norm, relatively.
  case spectralNormResidual = "spectral_norm_residual"
  /// ‖W‖_*/√(fanOut/fanIn).
  case weightNorm = "weight_norm"
  /// ‖W‖_F.
  case frobeniusNorm = "frobenius_norm"
  /// ‖ΔW‖_*.
  case updateSpectralNorm = "update_spectral_norm"
  /// The residual of ‖ΔW‖_*, where it was not found from the gradient's factors.
  case updateSpectralNormResidual = "update_spectral_norm_residual"
  /// ‖ΔW‖_*/√(fanOut/fanIn).
  case updateNorm = "update_norm"
  /// ‖ΔW‖_F.
  case updateFrobeniusNorm = "update_frobenius_norm"
  /// ‖ΔW‖_F²/‖ΔW‖_*².
  case updateStableRank = "update_stable_rank"
  /// ‖W − W_0‖_*.
  case totalUpdateSpectralNorm = "total_update_spectral_norm"
  /// ‖W − W_0‖_*/√(fanOut/fanIn).
  case totalUpdateNorm = "total_update_norm"
  /// ‖W − W_0‖_F.
  case totalUpdateFrobeniusNorm = "total_update_frobenius_norm"
  /// ‖∇‖_* of the batch's gradient.
  case gradientSpectralNorm = "gradient_spectral_norm"
  /// ‖∇‖_F²/‖∇‖_*².
  case gradientStableRank = "gradient_stable_rank"
  /// rms h.
  case featureSize = "feature_rms"
  /// Mean |h|.
  case featureMeanAbsolute = "feature_mean_abs"
  /// rms (h − h_0).
  case featureChange = "feature_change_rms"
  /// ‖W H‖_F/(‖W‖_*‖H‖_F), H the layer's input over the probe batch; in [0, 1].
  case alignment = "alignment"
  /// ‖ΔW H‖_F/(‖ΔW‖_*‖H‖_F); in [0, 1].
  case updateAlignment = "update_alignment"
  /// Largest singular value of the orthogonalised direction O, before scale and rate, of Muon.
  case directionSpectralNorm = "direction_spectral_norm"
  /// Smallest of O's min(fanOut, fanIn) singular values.
  case directionSmallestSingularValue = "direction_smallest_singular_value"
  /// ‖O Oᵀ − I‖_*, of a tall O ‖Oᵀ O − I‖_*: how far the squares of its singular values are from 1 at most.
  case orthogonalityDefect = "orthogonality_defect"
  /// ‖u‖_F²/‖u‖_*² of the momentum u that is orthogonalised.
  case momentumStableRank = "momentum_stable_rank"
  /// Share of the update's entries, before rate and decay, that are ±1 under Lion; the others are 0.
  case signShare = "sign_share"
  /// Share of Adam's entries with √v̂ ≤ 10 ε, in [0, 1]: there ε and not the gradient decides.
  case epsilonDominance = "epsilon_dominance"
  /// The largest |logit| of attention's heads over the probe batch: of any token with one before it.
  case attentionLogit = "attention_logit"
  /// Mean entropy of what tokens attend to, in nats, over heads and the probe batch's tokens.
  case attentionEntropy = "attention_entropy"
  /// σ of the initial entries.
  case initialStd = "initial_std"
  /// η of the tensor, schedule included.
  case learningRate = "learning_rate"
}

/// What was measured of every layer after a number of steps.
public struct DiagnosticRecord: Sendable {
  /// Steps done; updates are those of the step that follows.
  public let step: Int
  /// The layers' paths in the network, `layers.0`.
  public let names: [String]
  /// [layer]: each quantity's value in each replica; not finite where a replica has diverged.
  public let layers: [[DiagnosticQuantity: [Double]]]
  /// [layer][head]: the same of attention's heads, logit and entropy, and of the rows of the queries' and
  /// keys' matrices that are a head's, the spectral norm; of other layers no head.
  public let heads: [[[DiagnosticQuantity: [Double]]]]

  /// What was measured of layers at these paths, by default of no head.
  public init(
    step: Int, names: [String], layers: [[DiagnosticQuantity: [Double]]],
    heads: [[[DiagnosticQuantity: [Double]]]]? = nil
  ) {
    let heads = heads ?? layers.map { _ in [] }
    precondition(
      names.count == layers.count && names.count == heads.count,
      "\(layers.count) layers, \(heads.count) with heads, for names \(names)")
    (self.step, self.names, self.layers, self.heads) = (step, names, layers, heads)
  }
}
