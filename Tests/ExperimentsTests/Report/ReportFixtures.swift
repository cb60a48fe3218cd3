import Foundation
import Testing
import Training

@testable import Experiments

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Stores with known runs, and what their pages hold.
enum ReportFixture {
  static let hostile = "a\"b<script>alert('x')</script>&amp;%41\u{1}"

  static var experiment: Experiment {
    var experiment = Fixture.experiment
    experiment.settings.length = .steps(40)
    experiment.settings.weightDecay = WeightDecayChoice()
    return experiment
  }

  static let grid = try! SweepGrid(
    parametrizations: ["sp", "spectral"], optimizers: [.adam], widths: [64, 128, 256],
    log2LearningRates: [-9, -8, -7, -6, -5], seeds: [1, 2])

  static func invocation(_ command: [String] = ["/bin/gputrain", "sweep", "--x", "a b"])
    -> Invocation
  {
    let hardware = """
      {"name": "<cpu> & co", "vendor": "v", "kind": "cpu", "compute_units": 2, "memory": 8000000000,
       "platform": "p", "version": "OpenCL 3.0", "driver": "3.1"}
      """
    return Invocation(
      command: command, directory: "/somewhere", began: Date(timeIntervalSince1970: 1_000_000_000),
      system: "test", built: nil,
      hardware: try! JSONDecoder().decode(
        Invocation.Hardware.self, from: Data(hardware.utf8)),
      grid: grid, objective: .trainLoss)
  }

  /// A parabola about a minimum that moves down by an octave a doubling under sp, and stays under
  /// spectral; 2^−5 diverges at width 256 under sp.
  static func loss(_ cell: RunCell) -> Double? {
    let octaves = log2(Double(cell.width) / 64)
    let best = cell.parametrization == "sp" ? -6.5 - octaves / 2 : -7.1
    if cell.parametrization == "sp" && cell.width == 256 && cell.log2LearningRate == -5 {
      return nil
    }
    let distance = cell.log2LearningRate - best + 0.05 * Double(cell.seed)
    return 0.5 * exp2(-0.1 * octaves) * exp(0.2 * distance * distance)
  }

  /// Fills a store; `isDone` says which cells.
  static func fill(
    _ directory: URL, experiment: Experiment = experiment, diagnosed: Bool = false,
    history: Bool = true, where isDone: (RunCell) -> Bool = { _ in true }
  ) throws {
    let store = try RunStore(directory: directory)
    try store.open(experiment)
    if history { try store.note(invocation()) }
    for cell in grid.cells where isDone(cell) {
      let loss = loss(cell)
      let result = RunResult(
        epochs: 0, steps: loss == nil ? 7 : 40, trainLoss: loss,
        outcome: loss == nil ? .diverged : .completed, divergedAtStep: loss == nil ? 7 : nil,
        seconds: 0.1, device: "<cpu> & co")
      let records = (1...4).map { step -> RunRecord in
        var values = loss.map { ["train_loss": $0 * Double(6 - step)] } ?? [:]
        if diagnosed {
          for layer in 0...experiment.settings.depth {
            for name in ["weight_norm", "update_norm", "feature_rms", "feature_change_rms"] {
              values["layers.\(layer)/\(name)"] = Double(layer + 1) * Double(cell.width)
            }
          }
        }
        return RunRecord(epoch: 1, step: 10 * step, values: values)
      }
      try store.save(
        result, records: records, for: RunConfiguration(experiment, cell))
    }
  }

  /// The page of `directories`, written and read back.
  static func page(
    _ directories: [URL], mayBeEmpty: Bool = false
  ) throws -> String {
    let file = directories[0].appendingPathComponent("page.html")
    try ReportWriter().write(directories, to: file, mayBeEmpty: mayBeEmpty)
    return try String(contentsOf: file, encoding: .utf8)
  }
}

/// A page as an XML parser sees it.
final class ParsedPage: NSObject, XMLParserDelegate {
  private(set) var text = ""
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private(set) var texts: [String: [String]] = [:]
  private(set) var problem: String?
  private var open: [(name: String, text: String)] = []

  init(_ html: String) {
    super.init()
    let parser = XMLParser(data: Data(html.utf8))
    parser.delegate = self
    if !parser.parse() { problem = "\(parser.parserError as Any) at line \(parser.lineNumber)" }
  }

  /// Every value of an attribute.
  func values(_ attribute: String) -> [String] { elements.compactMap { $0.attributes[attribute] } }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    elements.append((name, attributes))
    open.append((name, ""))
  }

  func parser(_ parser: XMLParser, foundCharacters characters: String) {
    for index in open.indices { open[index].text += characters }
    if !open.contains(where: { $0.name == "style" }) { text += characters }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    let closed = open.removeLast()
    texts[name, default: []].append(closed.text)
  }
}
