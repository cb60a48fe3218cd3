import Foundation

/// A verdict with the losses that it is drawn from, as pages and plots show it, wherever its runs were made.
struct ShownGroup {
  /// What the page calls it.
  let name: String
  /// Letters, digits and hyphens; unique on the page.
  let id: String
  let group: TransferGroup
  /// What is compared, as a sentence has it: "training loss".
  let loss: String
  /// By width (or another scale) and log2 of the rate (or of another tuned value), those of the seeds that
  /// are compared; +∞ where one diverged. None where best rates alone are known.
  let losses: [Int: [Double: [Double]]]

  /// Groups under names that may repeat.
  static func identified(
    _ groups: [(name: String, group: TransferGroup, loss: String, losses: TransferReport.Losses)]
  ) -> [ShownGroup] {
    zip(groups, ReportParts.identifiers(groups.map(\.name))).map { shown, id in
      let (name, group, loss, losses) = shown
      return ShownGroup(
        name: name, id: id, group: group, loss: loss,
        losses: losses.mapValues { byRate in
          byRate.compactMapValues { bySeed in
            let compared = group.seeds.compactMap { bySeed[$0] }
            return compared.isEmpty ? nil : compared
          }
        })
    }
  }

  /// Whether some width's best rate has an interval.
  var hasIntervals: Bool { group.widths.contains { $0.interval != nil } }

  /// Rates with a loss, ascending.
  var rates: [Double] { Set(losses.values.flatMap(\.keys)).sorted() }
}

extension TransferGroup {
  /// Parametrization and update rule.
  public var title: String {
    ([parametrization] + [optimizer?.rawValue, held].compactMap { $0 }).joined(separator: ", ")
  }

  /// The rate that tuning on the narrowest network finds, as log2; nil where none trained.
  var narrowRate: Double? { widths.first { $0.gridLog2LearningRate != nil }?.gridLog2LearningRate }
}
