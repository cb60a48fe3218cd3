/// How pages look: in the light, in the dark, on paper, on a telephone.
enum ReportStyle {
  /// The style sheet.
  static var css: String {
    """
    :root { color-scheme: light dark;
      --paper: #ffffff; --ink: #1b1b1b; --soft: #555b63; --line: #d5d8dc; --box: #f5f6f7;
      --yes: #00664d; --no: #a63603; --link: #0b57a4; \(variables(dark: false)) }
    @media screen and (prefers-color-scheme: dark) { :root {
      --paper: #14171b; --ink: #e8e8e8; --soft: #a8afb8; --line: #3a3f47; --box: #1d2127;
      --yes: #4fd1a5; --no: #ff9d6b; --link: #8ab8f0; \(variables(dark: true)) } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--paper); color: var(--ink);
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
      overflow-wrap: break-word; }
    main, footer { max-width: 76rem; margin: 0 auto; padding: 1rem clamp(1rem, 4vw, 2.5rem); }
    header p, section > p, dd, li { max-width: 46rem; }
    h1 { font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; margin: 1rem 0 .5rem;
      max-width: 46rem; text-wrap: balance; }
    h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.5rem 0 .5rem; padding-top: .75rem;
      border-top: 1px solid var(--line); }
    h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
    p { margin: .5rem 0; }
    .lead { font-size: 1.1rem; }
    a { color: var(--link); }
    .soft, figcaption, footer { color: var(--soft); font-size: .9rem; }
    .cards { display: grid; gap: 1rem; margin: 1rem 0;
      grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
    .card { background: var(--box); border: 1px solid var(--line);
      border-left: .4rem solid var(--soft); border-radius: .3rem; padding: .75rem 1rem; }
    .card.yes { border-left-color: var(--yes); } .card.no { border-left-color: var(--no); }
    .card h3 { margin: 0; font-weight: 600; color: var(--soft); }
    .card .verdict { font-size: 1.3rem; font-weight: 700; line-height: 1.3; margin: .1rem 0 .4rem; }
    .yes .verdict { color: var(--yes); } .no .verdict { color: var(--no); }
    .card .use { font-weight: 600; }
    .notice { border: 1px solid var(--no); border-left-width: .4rem; border-radius: .3rem;
      padding: .5rem 1rem; }
    .panels { display: grid; gap: 1rem 1.5rem; align-items: start;
      grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
    figure { margin: 1rem 0; min-width: 0; max-width: 40rem; }
    figure h3 { margin: 0 0 .25rem; }
    svg { display: block; width: 100%; max-width: 36rem; height: auto; }
    .whole { white-space: nowrap; }
    .ends { display: block; color: var(--soft); font-size: \(endsSize)em; }
    dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .4rem 1.25rem; }
    dt { font-weight: 600; } dd { margin: 0; }
    .scroll { overflow-x: auto; max-width: 100%; margin: .75rem 0; container-type: inline-size; }
    table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
    th, td { padding: .25rem .6rem .25rem 0; text-align: right; white-space: nowrap;
      border-bottom: 1px solid var(--line); vertical-align: top; }
    th:first-child { text-align: left; }
    thead th { border-bottom: 2px solid var(--line); white-space: normal; vertical-align: bottom; }
    th.long { min-width: 5.5rem; }
    .facts th, .facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
    .facts th { font-weight: 600; } .facts tbody th { min-width: 6rem; max-width: 24rem; }
    .facts .ends { font-weight: 400; }
    \(stacked)
    pre { background: var(--box); border: 1px solid var(--line); border-radius: .3rem;
      padding: .5rem .75rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9rem; }
    details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); }
    sup { line-height: 0; }
    @media (max-width: 34rem) { dl { display: block; } dd { margin: 0 0 .6rem; } }
    @media print { body { font-size: 10pt; } a { color: inherit; } main { max-width: none; }
      .panels, .cards { grid-template-columns: 1fr 1fr; } figure, .card, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
      .scroll { overflow: visible; } details:not([open]) {
      display: none; } }
    """
  }

  // MARK: Tables

  /// Size of what stands below a value, as a share of the font's size.
  static let endsSize = 0.85

  /// Widths, in rem, below which tables of such a class become lists.
  private static let tableWidths = [14, 18, 22, 26, 30, 32, 34, 36, 40, 48, 56, 64, 76]

  /// The class of a table by the width that its columns need.
  ///
  /// - columns: widths of what stands in each, as multiples of the font's size.
  static func tableClass(columns: [Double]) -> String {
    let needed = columns.reduce(0) { $0 + 0.9 * $1 + 0.6 }
    return "w\(tableWidths.first { Double($0) >= needed } ?? tableWidths[tableWidths.count - 1])"
  }

  /// Rows below one another, each value beside its column's name.
  private static var stacked: String {
    tableWidths.map { width in
      let table = ".w\(width)"
      return
        "@container (max-width: \(width)rem) { \(table), \(table) tbody, \(table) tr { display: block; } "
        + "\(table) thead { display: none; } \(table) tr { padding: .4rem 0; "
        + "border-bottom: 1px solid var(--line); } \(table) th, \(table) td { display: flex; "
        + "justify-content: space-between; gap: 1rem; padding: .1rem 0; border: 0; "
        + "white-space: normal; } \(table) td::before { content: attr(data-label); "
        + "color: var(--soft); text-align: left; } }"
    }.joined(separator: "\n    ")
  }

  private static func variables(dark: Bool) -> String {
    PlotColour.variables.map { "--\($0.name): \($0.value(dark: dark));" }.joined(separator: " ")
  }
}
