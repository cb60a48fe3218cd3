import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Tensors

/// `gputrain tune`: faster kernel parameters for this device, found once and used from then on.
struct TuneCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Find faster kernel parameters for a device and keep them.",
    discussion: """
      CLBlast, which multiplies matrices on GPUs, knows good parameters for some devices and weak \
      ones for the rest; with --gemm tiled, the tiles of our own GPU kernels are searched, for the \
      --precision asked for. Each candidate has to give the same products and to be faster, in \
      timings taken in turn, than noise explains. What is found is kept in the user's cache \
      directory for this device and driver, and every command uses it; results may round \
      otherwise. Ctrl-C keeps what is found. What --json prints is what --import takes. On CPU \
      devices other kernels multiply, which have nothing to tune.
      """)

  @OptionGroup var computing: ComputeOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How long to search for each class of shapes, small and large.", valueName: "seconds"))
  var seconds = 60.0

  @Option(
    help: ArgumentHelp(
      "Layers to be fast on, a list of [REPLICAS*]BATCHxOUTPUTSxINPUTS. (default: six, from "
        + "32*64x128x128 to 64x4096x4096 and 512x2048x2048)",
      valueName: "layers"))
  var shapes: String?

  @Flag(help: "Print what is kept for the device, and search for nothing.")
  var show = false

  @Option(
    name: .customLong("import"),
    help: ArgumentHelp(
      "Keep the tuning in this file, made with --json on a device of the same name, once its "
        + "products have been found right here.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var importedFile: String?

  @Flag(help: "Forget what is kept for the device.")
  var forget = false

  @Flag(help: "Forget what is kept for any device.")
  var reset = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    try Limits.check("--seconds", positive: seconds)
    _ = try layers()
    let actions = [
      (show, "--show"), (importedFile != nil, "--import"), (forget, "--forget"), (reset, "--reset"),
    ].filter(\.0).map(\.1)
    if actions.count > 1 {
      throw InvalidOption("give one of \(actions.joined(separator: ", "))")
    }
    if output.json && (forget || reset) {
      throw InvalidOption("\(actions[0]) leaves nothing to print")
    }
  }

  func run() throws {
    guard let store = CacheFolder.tunings else {
      throw TuningStore.Failure(
        description: "there is no cache directory to keep tunings in: set HOME or XDG_CACHE_HOME")
    }
    if reset { return note("\(try store.forgetAll()) tunings forgotten") }
    let device = try computing.find()
    let key = DeviceTuning.Key(device)
    if forget {
      let had = try store.forget(key)
      return note(had ? "forgotten: \(device.name)" : "nothing is kept for \(device.name)")
    }
    if show { return try print(store.usable(for: device), device) }
    Interrupt.begin()
    let compute = try computing.compute(fallsBack: false, isTuned: false)
    if let importedFile {
      let tuning = try imported(importedFile, compute)
      try store.keep(tuning)
      return try print(tuning, device)
    }
    let tasks: any TuningTasks
    switch compute.backend.name {
    case "clblast": tasks = CLBlastTasks(shapes: try layers(), compute: compute)
    case "tiled": tasks = TileTasks(shapes: try layers(), compute: compute)
    default:
      note(
        "on \(device.name) products are by \(compute.backend.name), which has nothing to tune; "
          + "--gemm clblast or --gemm tiled tunes those kernels there")
      return try print(store.usable(for: device), device)
    }
    try tune(tasks, compute, store)
  }

  /// The layers asked for.
  ///
  /// - Throws: `InvalidOption`.
  private func layers() throws -> [TuningShape] {
    guard let shapes else { return TuningShape.usual }
    return try shapes.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let shape = TuningShape(text: String(text), atMost: Limits.size) else {
        throw InvalidOption(
          "--shapes: expected BATCHxOUTPUTSxINPUTS or REPLICAS*BATCHxOUTPUTSxINPUTS with sizes "
            + "from 1 to \(Limits.size), got '\(String(text).printable())'")
      }
      return shape
    }
  }

  private func tune(
    _ tasks: any TuningTasks, _ compute: Compute, _ store: TuningStore
  ) throws {
    let device = compute.queue.device
    var tuning =
      store.usable(for: device) ?? DeviceTuning(key: .init(device), date: "", kernels: [])
    note(
      "device: \(device.index) \(device.name) (\(device.kind.rawValue)), \(compute.backend.name)"
    )
    for (step, name) in tasks.steps.enumerated() where !Interrupt.isRequested {
      let display = TuneDisplay("\(name.family), \(name.shapeClass)")
      let task = try tasks.task(of: step, found: tuning.kernels)
      let tuner = KernelTuner(
        seconds: seconds * tasks.share(of: step), isStopped: { Interrupt.isRequested },
        report: display.show)
      let outcome = try tuner.run(task)
      display.finish(outcome)
      // A search that was cut short says nothing against what an earlier one found.
      if outcome.kernel == nil && Interrupt.isRequested { break }
      tuning = tuning.replacing(
        tried: [name], by: outcome.kernel.map { [$0] } ?? [], date: Date.now.ISO8601Format())
      try store.keep(tuning)
    }
    try print(tuning, device)
    if Interrupt.isRequested { throw Interrupt.exitCode }
  }

  /// Somebody's tuning as one of this very device and driver.
  ///
  /// - Throws: `TuningStore.Failure`, `InvalidOption` where it is of another device or not right here.
  private func imported(_ path: String, _ compute: Compute) throws -> DeviceTuning {
    let device = compute.queue.device
    let theirs = try TuningStore.tuning(inFile: path)
    let key = DeviceTuning.Key(device)
    guard (theirs.key.platform, theirs.key.device) == (key.platform, key.device) else {
      throw TuningStore.Failure(
        description: "\(path) is for \(theirs.key.device.printable()) on "
          + "\(theirs.key.platform.printable()), this is \(device.name) on \(device.platform)")
    }
    if theirs.key.driver != key.driver {
      note("measured with driver \(theirs.key.driver.printable()), here it is \(key.driver)")
    }
    let tuning = DeviceTuning(key: key, date: theirs.date, kernels: theirs.kernels)
    if let refused = tuning.kernelsRefused(by: device).first {
      throw TuningStore.Failure(
        description: "\(path): \(device.name) cannot run its parameters of \(refused.family)")
    }
    guard try CLBlastTasks.isRight(tuning, compute: compute),
      try TileTasks.isRight(tuning, compute: compute)
    else {
      throw TuningStore.Failure(
        description: "\(path): with its parameters products are wrong on \(device.name)")
    }
    return tuning
  }

  private func print(_ tuning: DeviceTuning?, _ device: Device) throws {
    if output.json {
      let text = try tuning.map { String(decoding: try $0.json(), as: UTF8.self) } ?? "null\n"
      Terminal.print(text, terminator: "")
    } else if let tuning {
      Terminal.print(TuneDisplay.text(tuning))
    } else {
      Terminal.print("\(device.name) is not tuned")
    }
  }

  private func note(_ text: String) { Terminal.note(text) }
}

/// Shows a search's progress: a line that is rewritten on a terminal, else a line a gain.
final class TuneDisplay {
  private let name: String
  private var lastGain = 1.0

  /// The display of the search for one kernel's parameters.
  init(_ name: String) {
    self.name = name
  }

  /// Takes note of where the search stands.
  func show(_ progress: KernelTuner.Progress) {
    if Terminal.isInteractive {
      Terminal.rewrite(String(line(progress).prefix(Terminal.columns - 1)))
    } else if progress.gain > lastGain {
      lastGain = progress.gain
      Terminal.note(line(progress))
    }
  }

  /// Says what came of the search.
  func finish(_ outcome: KernelTuner.Outcome) {
    if Terminal.isInteractive { Terminal.rewrite("") }
    Terminal.note(
      line(outcome.progress) + (outcome.kernel == nil ? ", nothing faster found" : ""))
  }

  private func line(_ progress: KernelTuner.Progress) -> String {
    var parts = ["\(name): \(progress.tried) tried"]
    if progress.failed > 0 { parts.append("\(progress.failed) do not run") }
    if progress.wrong > 0 { parts.append("\(progress.wrong) wrong") }
    if progress.gain > 1 { parts.append("best \(Self.gain(progress.gain))") }
    return parts.joined(separator: ", ")
  }

  /// A tuning in words: one line for each kernel.
  static func text(_ tuning: DeviceTuning) -> String {
    let head = "\(tuning.key.device), driver \(tuning.key.driver), tuned \(tuning.day)"
    if tuning.kernels.isEmpty { return "\(head)\n  nothing faster than its own parameters" }
    func padded(_ text: String, _ width: Int) -> String {
      text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }
    let lines = tuning.kernels.flatMap { kernel in
      let values = kernel.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return [
        "  \(padded(kernel.family, 22)) \(padded(kernel.shapeClass, 6)) \(gain(kernel.gain))"
          + String(format: "  %.4g → %.4g ms", kernel.before, kernel.after),
        "    " + values.joined(separator: " "),
      ]
    }
    return ([head] + lines).joined(separator: "\n")
  }

  /// A gain as a factor with two decimals.
  static func gain(_ factor: Double) -> String { String(format: "%.2f×", factor) }
}
