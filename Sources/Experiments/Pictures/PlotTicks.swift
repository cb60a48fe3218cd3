import Foundation

extension Plot {
  /// A place on an axis that is marked.
  struct Tick: Hashable, Sendable {
    let value: Double
    /// What stands there.
    let label: PlotText
    /// A second line, smaller.
    var second: PlotText?
  }
}

extension Plot.Axis {
  /// Sets of marks in the axis' range, from many to few; an axis shows the first whose labels find
  /// room.
  ///
  /// - range: where the axis begins and ends.
  func candidates(within range: ClosedRange<Double>) -> [[Plot.Tick]] {
    if let places {
      return Self.thinned(places.filter(range.contains).map(tick))
    }
    let values =
      switch kind {
      case .linear: Self.steps(within: range)
      case .powersOfTwo: Self.octaves(within: range)
      case .logarithmic: Self.roundNumbers(within: range)
      }
    return values.filter { (2...9).contains($0.count) }.map { $0.map(tick) }
  }

  private func tick(_ value: Double) -> Plot.Tick {
    guard kind == .powersOfTwo else {
      return Plot.Tick(value: value, label: PlotText(Self.label(value)))
    }
    let power = DecimalText.trimmed(value, digits: 3).replacing("-", with: "−")
    let number = exp2(value)
    return Plot.Tick(
      value: value, label: PlotText("2^\(power)"),
      second: number > 0 && number.isFinite ? PlotText(Self.shortly(number)) : nil)
  }

  /// All, every second, every third …
  private static func thinned(_ ticks: [Plot.Tick]) -> [[Plot.Tick]] {
    (1...max(ticks.count, 1)).map { every in
      ticks.enumerated().filter { $0.offset % every == 0 }.map(\.element)
    }
  }

  /// Multiples of 1, 2 and 5 times powers of ten, the closest first.
  private static func steps(within range: ClosedRange<Double>) -> [[Double]] {
    let span = range.upperBound - range.lowerBound
    guard span > 0, span.isFinite else { return [] }
    let least = Int(log10(span).rounded(.down)) - 1
    return (least...least + 2).flatMap { power in
      [1.0, 2, 5].map { multiples(of: $0 * pow(10, Double(power)), within: range) }
    }
  }

  /// Whole powers, every one or fewer, where they are three at least; else halves and quarters.
  private static func octaves(within range: ClosedRange<Double>) -> [[Double]] {
    let whole = [1.0, 2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128].map {
      multiples(of: $0, within: range)
    }
    return whole.filter { $0.count > 2 }
      + [0.5, 0.25, 0.1].map { multiples(of: $0, within: range) } + whole
  }

  private static func multiples(of step: Double, within range: ClosedRange<Double>) -> [Double] {
    let (first, last) = (range.lowerBound / step, range.upperBound / step)
    guard last - first < 100 else { return [] }
    return stride(from: first.rounded(.up), through: last.rounded(.down), by: 1).map { $0 * step }
  }

  /// 1, 2 and 5 times powers of ten, or fewer, where these are three at least; else more.
  private static func roundNumbers(within range: ClosedRange<Double>) -> [[Double]] {
    let powers = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound))
    func numbers(_ factors: [Double], every: Int = 1) -> [Double] {
      powers.filter { $0 % every == 0 }.flatMap { power in
        factors.map { $0 * pow(10, Double(power)) }
      }.filter(range.contains)
    }
    let usual =
      [[1, 2, 5], [1, 3], [1]].map { numbers($0) } + (2...20).map { numbers([1], every: $0) }
    let dense = [[1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]].map { numbers($0) }
    return (usual + dense + steps(within: range)).filter { $0.count > 2 } + usual
  }

  /// Small marks of a logarithmic axis, at 2 … 9 times each power of ten, where it has one.
  func minorPlaces(within range: ClosedRange<Double>) -> [Double] {
    guard kind == .logarithmic, places == nil,
      range.upperBound / range.lowerBound < 1e4
    else { return places ?? [] }
    let powers = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound))
    return powers.flatMap { power in (1...9).map { Double($0) * pow(10, Double(power)) } }
      .filter(range.contains)
  }

  /// A number at a tick.
  static func label(_ value: Double) -> String {
    if value == 0 { return "0" }
    let magnitude = abs(value)
    if magnitude >= 0.001 && magnitude < 100_000 {
      return DecimalText.trimmed(value, digits: 4).replacing("-", with: "−")
    }
    return scientific(value)
  }

  /// A positive number to two digits, or three that say it exactly: 0.0039, 0.125.
  static func shortly(_ value: Double) -> String {
    guard value >= 0.0001 && value < 100_000 else { return scientific(value) }
    let decimals = max(0, 1 - Int(log10(value).rounded(.down)))
    let exact = DecimalText.trimmed(value, digits: decimals + 1)
    return Double(exact) == value ? exact : DecimalText.trimmed(value, digits: decimals)
  }

  private static func scientific(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "\(value)" }
    let power = Int(log10(abs(value)).rounded(.down))
    let factor = DecimalText.trimmed(value / pow(10, Double(power)), digits: 1)
    let raised = "10^\(power)".replacing("-", with: "−")
    return factor == "1" ? raised : "\(factor)·\(raised)".replacing("-", with: "−")
  }
}
