/// Which dimensions of a layer grow with the network's width.
///
/// A dimension that stays fixed enters a width-scaling rule by its limit of growing width, so a
/// rule has to know it: at 3072 inputs most widths in use are below the input size, where
/// min{1, √(fanOut/fanIn)} would still grow. Source: arXiv:2310.17813, whose Θ speaks of this limit.
public enum LayerRole: String, Codable, Hashable, Sendable, CaseIterable {
  /// Fan-in is the number of inputs and stays fixed; fan-out grows.
  case input
  /// Both fan-in and fan-out grow.
  case hidden
  /// Fan-in grows; fan-out is the number of outputs and stays fixed.
  case readout
}
