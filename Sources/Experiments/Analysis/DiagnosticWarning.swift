import Foundation
import Spectral
import Training

/// A known failure story that the diagnostics of some runs tell.
public struct DiagnosticWarning: Codable, Hashable, Sendable {
  /// The stories.
  public enum Story: String, Codable, Hashable, Sendable, CaseIterable {
    /// A layer's updates have shrunk to about one direction.
    case stableRankCollapse = "stable_rank_collapse"
    /// Updates no longer act on the features they meet.
    case alignmentDecay = "alignment_decay"
    /// Adam's ε, not the gradient, sets the size of most entries' steps.
    case epsilonDominance = "epsilon_dominance"
    /// Logits grow with width.
    case logitGrowth = "logit_growth"
    /// Finite-width terms are large at the base width, so what is tuned there need not carry over.
    case smallBaseWidth = "small_base_width"
  }

  /// Which story.
  public let story: Story
  /// What was seen, where, and what it means; one sentence.
  public let text: String

  /// The text in lines of at most 80 columns.
  public var paragraph: String { ReportText.wrapped(text, after: "warning  ", indent: 9) }
}

/// Reads failure stories out of runs' diagnostics.
struct DiagnosticWarnings {
  /// A run with what was recorded of it.
  struct Run {
    let cell: RunCell
    let records: [RunRecord]
  }

  let experiment: Experiment
  let runs: [Run]

  /// Every story found, by story, layer and width.
  var all: [DiagnosticWarning] {
    guard runs.contains(where: { $0.isDiagnosed }) else { return [] }
    return [stableRankCollapse, alignmentDecay, epsilonDominance].flatMap { $0 } + logitGrowth
      + smallBaseWidth
  }

  /// At the end less than half the rank of the start, and about one direction.
  private var stableRankCollapse: [DiagnosticWarning] {
    warnings(.stableRankCollapse, .updateStableRank) { series in
      let (first, last) = series
      return last < 1.2 && last < first / 2 ? last : nil
    } text: { place, worst in
      "\(place): the stable rank of updates has fallen to \(ReportText.number(worst, digits: 2)): "
        + "the layer learns one direction only"
    }
  }

  private var alignmentDecay: [DiagnosticWarning] {
    warnings(.alignmentDecay, .updateAlignment) { series in
      let (first, last) = series
      return last < first / 2 ? last / first : nil
    } text: { place, worst in
      "\(place): the alignment of updates with features has fallen to "
        + "\(ReportText.number(100 * worst, digits: 0)) % of its start: the same norm of ΔW moves "
        + "features less"
    }
  }

  private var epsilonDominance: [DiagnosticWarning] {
    warnings(.epsilonDominance, .epsilonDominance) { series in
      // At the end: before the first gradients every v is 0. The lower the worse, as elsewhere.
      series.last > 0.5 ? 1 - series.last : nil
    } text: { place, worst in
      "\(place): \(ReportText.number(100 * (1 - worst), digits: 0)) % of Adam's entries have "
        + "√v ≤ 10 ε at the end: lower ε, or scale it with width"
    }
  }

  /// Stories of one layer of one run: `judge` gets the means of the first and last quarter of its
  /// records and returns how bad it is, the lower the worse, or nil.
  private func warnings(
    _ story: DiagnosticWarning.Story, _ quantity: DiagnosticQuantity,
    judge: ((first: Double, last: Double)) -> Double?, text: (String, Double) -> String
  ) -> [DiagnosticWarning] {
    let groups = Dictionary(grouping: runs) { Key($0.cell) }
    return groups.sorted { $0.key < $1.key }.compactMap { key, runs in
      // [layer][run that tells it]: how bad.
      let names = experiment.overridden(by: runs[0].cell.overrides).settings.layerNames
      let found = names.map { layer in
        runs.compactMap { $0.quarters("\(layer)/\(quantity.rawValue)") }.compactMap(judge)
      }
      guard let worst = found.joined().min() else { return nil }
      let layers = zip(names, found).filter { !$0.1.isEmpty }.map(\.0)
      let most = found.map(\.count).max() ?? 0
      let place = "\(key), \(layers.joined(separator: " ")), up to \(most) of \(runs.count) runs"
      return DiagnosticWarning(story: story, text: text(place, worst))
    }
  }

  /// Over at least three widths, at one rate, logits at the end that grow by more than n^¼.
  private var logitGrowth: [DiagnosticWarning] {
    let readout = experiment.settings.layerNames.last ?? ""
    let name = "\(readout)/\(DiagnosticQuantity.featureSize.rawValue)"
    let rules = Dictionary(grouping: runs) { "\($0.cell.parametrization), \($0.cell.optimizer)" }
    return rules.sorted { $0.key < $1.key }.compactMap { rule, runs in
      let slopes = Dictionary(grouping: runs) {
        Along(rate: $0.cell.log2LearningRate, overrides: $0.cell.overrides)
      }.values.compactMap {
        runs -> Double? in
        let widths = Dictionary(grouping: runs, by: \.cell.width).sorted { $0.key < $1.key }
        let logits = widths.compactMap { _, runs -> Double? in
          let last = runs.compactMap { $0.records.last { $0.values[name] != nil }?.values[name] }
          return last.isEmpty ? nil : last.reduce(0, +) / Double(last.count)
        }
        guard widths.count >= 3, logits.count == widths.count else { return nil }
        return ScalingExponent.slope(over: widths.map { Double($0.key) }, values: logits)
      }
      let growing = slopes.filter { $0 > 0.25 }
      guard let most = growing.max(), 2 * growing.count > slopes.count else { return nil }
      return DiagnosticWarning(
        story: .logitGrowth,
        text: "\(rule): logits grow with width, as n^\(ReportText.number(most, digits: 2)) at "
          + "worst, at \(growing.count) of \(slopes.count) rates: the readout's σ or rate does not "
          + "shrink enough")
    }
  }

  /// What runs share that differ in width alone.
  private struct Along: Hashable {
    let rate: Double
    let overrides: [String: JSONValue]
  }

  /// ‖W‖_* of a readout is 1 + √(outputs/n) of its limit.
  private var smallBaseWidth: [DiagnosticWarning] {
    guard !experiment.settings.absolute else { return [] }
    let base = experiment.settings.baseWidth
    let widths = experiment.settings.hiddenWidths(width: base)
    let share = (Double(experiment.facts.data.outputs) / Double(widths.last ?? base)).squareRoot()
    guard share > 0.5 else { return [] }
    return [
      DiagnosticWarning(
        story: .smallBaseWidth,
        text:
          "base width \(base) is small for \(experiment.facts.data.outputs) outputs: the readout's "
          + "norm there is \(ReportText.number(100 * share, digits: 0)) % above its limit, so "
          + "rates tuned at it need not carry over")
    ]
  }

  /// Runs that differ in rate and seed alone.
  private struct Key: Hashable, Comparable, CustomStringConvertible {
    let parametrization, optimizer: String
    let width: Int
    /// In words; empty where there are none.
    let shape: String

    init(_ cell: RunCell) {
      (parametrization, optimizer) = (cell.parametrization, cell.optimizer.rawValue)
      width = cell.width
      shape = RunCell.words(RunGroup.shape(of: cell.overrides))
    }

    var description: String {
      "\(parametrization), \(optimizer), width \(width)" + (shape.isEmpty ? "" : ", \(shape)")
    }

    static func < (a: Self, b: Self) -> Bool {
      (a.parametrization, a.optimizer, a.width, a.shape)
        < (b.parametrization, b.optimizer, b.width, b.shape)
    }
  }
}

extension DiagnosticWarnings.Run {
  /// Whether anything was measured beside losses.
  var isDiagnosed: Bool { records.contains { $0.values.keys.contains { $0.contains("/") } } }

  /// The means of the first and of the last quarter of a quantity's values; nil below four.
  func quarters(_ name: String) -> (first: Double, last: Double)? {
    let values = records.compactMap { $0.values[name] }
    guard values.count >= 4 else { return nil }
    func mean(_ values: ArraySlice<Double>) -> Double {
      values.reduce(0, +) / Double(values.count)
    }
    return (mean(values.prefix(values.count / 4)), mean(values.suffix(values.count / 4)))
  }
}
