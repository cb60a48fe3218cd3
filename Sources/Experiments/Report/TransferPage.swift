import Foundation

/// The page of a table of results that were made elsewhere: question, answer, losses, words, and how the
/// table was read.
struct TransferPage {
  let table: ResultsTable
  /// What asked for the page, as a shell takes it, and which program made it.
  let commandLine, version: String
  let album: PictureAlbum

  private var report: TransferReport { table.report }
  private var parts: TransferAnswer { TransferAnswer(axes: report.names) }
  private var fileName: String { URL(fileURLWithPath: table.reading.path).lastPathComponent }

  /// The page.
  var page: ReportPage {
    let groups = ShownGroup.identified(
      zip(report.groups, table.losses).map {
        (name: $0.title, group: $0, loss: report.loss, losses: $1)
      })
    let figures = TransferFigures(
      plots: TransferPlots(groups, axes: report.names), album: album)
    let losses = groups.contains { !$0.losses.isEmpty } ? [figures.losses()] : []
    return ReportPage(
      title: "\(fileName): does the \(report.names.tunedTitle) carry over?",
      content: [parts.heading, answer(groups)] + losses + [
        figures.optima(),
        ReportParts.section(
          "terms", "Words used here", [ReportParts.terms(parts.terms(groups))]),
        reading,
      ])
  }

  private func answer(_ groups: [ShownGroup]) -> HTMLNode {
    let axes = report.names
    let scales = Set(groups.flatMap { $0.group.widths.map(\.width) }).sorted().map(String.init)
    let names = groups.count > 1 ? ", of \(ReportParts.list(groups.map(\.name)))," : ""
    let places =
      "at \(scales.count == 1 ? axes.scaleName : axes.scaleValues) \(ReportParts.list(scales))"
    let rates = Set(groups.flatMap(\.rates)).sorted()
    let seeds = groups.map(\.group.seeds.count).max() ?? 0
    let isOfOptima = groups.allSatisfy(\.losses.isEmpty)
    let question =
      isOfOptima
      ? ["\(fileName) has best \(axes.tunedValues)\(names) \(places)."]
      : [
        "\(fileName) has \(ReportParts.count(table.reading.runs, "run"))\(names) \(places), with "
          + "\(TransferAnswer.learningRates(rates)) and \(ReportParts.count(seeds, "seed")).",
        parts.reading([report.loss]),
      ]
    return ReportParts.section(
      "answer", "Answer",
      [parts.cards(groups)] + parts.best(report) + [.tag("h3", "What was compared")]
        + question.map { ReportParts.paragraph($0) } + [ReportParts.linkToTerms])
  }

  /// File, columns and whatever is worth knowing of how they were read.
  private var reading: HTMLNode {
    let reading = table.reading
    let facts =
      [["file", reading.path], ["rows", "\(reading.rows)"], ["runs used", "\(reading.runs)"]]
      + reading.columns.map { [$0.role.title, "column \($0.name)"] }
      + [["learning rates written as", reading.form.inWords], ["gputrain", version]]
    return ReportParts.section(
      "runs", "How the table was read",
      [
        .tag("pre", [.tag("code", commandLine)]),
        ReportParts.facts(facts, label: "How the table was read"),
      ]
        + (table.notes.count > 1
          ? [.tag("ul", table.notes.dropFirst().map { .tag("li", "\($0).") })] : []))
  }
}
