import Foundation

/// Several sweeps side by side.
extension SweepPage {
  /// Verdicts, and settings that differ, side by side.
  var comparison: [HTMLNode] {
    let rows = entries.map { entry -> [String] in
      let drift = entry.group.drift
      return [
        entry.name, entry.group.verdict.outcome.rawValue,
        drift.map { ReportText.number($0.octavesPerDoubling, digits: 2) } ?? "–",
        drift?.interval.map {
          "\(ReportText.number($0.lower, digits: 2))…\(ReportText.number($0.upper, digits: 2))"
        } ?? "–",
        entry.group.widths.last.flatMap(\.loss).map { ReportText.loss($0) } ?? "–",
        entry.group.regret?.relative.map { ReportText.percent($0) } ?? "–",
      ]
    }
    let verdicts = ReportParts.table(
      [
        "sweep", "verdict", "drift", "90 % interval",
        axes.scale == nil ? "best loss, widest" : "best loss, greatest \(axes.scaleName)", "regret",
      ], texts: rows,
      label: "The sweeps compared")
    return [.tag("h3", "The sweeps compared"), verdicts] + differences
  }

  /// The settings in which the sweeps differ.
  private var differences: [HTMLNode] {
    let settings = records.map(\.experiment.leaves)
    let keys = Set(settings.flatMap(\.keys)).sorted().filter { key in
      Set(settings.map { $0[key] ?? .null }).count > 1
    }
    guard !keys.isEmpty else {
      return [ReportParts.paragraph("The settings of their runs are the same.")]
    }
    let declared = Dictionary(
      Configuration.declarations.map { ($0.name, $0.help) }, uniquingKeysWith: { $1 })
    return [
      .tag("h3", "Settings that differ"),
      ReportParts.facts(
        keys.map { key in [key] + settings.map { $0[key]?.optionText ?? "–" } },
        header: ["setting"] + records.indices.map { "\(Self.letter($0)): \(records[$0].name)" },
        words: declared, label: "Settings that differ"),
    ]
  }
}
