import Experiments
import Foundation
import Training

/// A directory where a page's commands run as printed, by bash: `gputrain`, `swift run` and
/// `make run` are the built program, and files that the commands read are small stand-ins.
struct ReadmeShell {
  private let directory: URL
  private let programs: URL

  /// The package's root.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// A shell in `directory`, which is empty.
  init(in directory: URL) throws {
    self.directory = directory.appendingPathComponent("work")
    programs = directory.appendingPathComponent("bin")
    for folder in [self.directory, programs] {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    let product = CommandRunner.products.path
    try program("gputrain", "exec \"\(product)/gputrain\" \"$@\" $README_EXTRA")
    try program(
      "swift",
      """
      [ "$1" = run ] || { echo "swift $*: only swift run is known here" >&2; exit 2; }
      shift
      while [ "${1#-}" != "$1" ]; do [ "$1" = -c ] && shift; shift; done
      case "$1" in
      gputrain) shift; exec gputrain "$@" ;;
      *) echo "swift run $1: no such product here" >&2; exit 2 ;;
      esac
      """)
    // The Makefile itself says whether there is such a target; its own recipe would build again.
    try program(
      "make",
      """
      if [ -x /usr/bin/make ]; then /usr/bin/make -C "\(Self.root.path)" -n "$@" >/dev/null || exit 2; fi
      [ "$1" = run ] || { echo "make $1: only make run is known here" >&2; exit 2; }
      case "$2" in ARGS=*) args=${2#ARGS=} ;; "") args= ;; *) exit 2 ;; esac
      eval "exec gputrain $args"
      """)
    try writeStandIns()
  }

  private func program(_ name: String, _ text: String) throws {
    let file = programs.appendingPathComponent(name)
    try Data("#!/bin/bash\n\(text)\n".utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
  }

  /// Files under the names that the pages use.
  private func writeStandIns() throws {
    let rows = (0..<200).map { row in
      let label = row % 2
      let features = (3..<7).map { factor in row * factor % 17 + label }
      return (features + [label]).map(String.init).joined(separator: ",")
    }
    try write("my.csv", Data((["a,b,c,d,label"] + rows).joined(separator: "\n").utf8))
    let runs = [64, 128, 256].flatMap { width in
      [0.001, 0.002, 0.004].map { rate in "\(width),\(rate),1,\(rate == 0.002 ? 1 : 2)" }
    }
    for (name, header) in [
      ("results.csv", "width,lr,seed,loss"),
      ("wandb.csv", "config.d_model,config.lr,seed,eval/loss"),
    ] {
      try write(name, Data(([header] + runs).joined(separator: "\n").utf8))
    }
    try write(
      "my.txt", Data(String(repeating: "To be, or not to be: that is it. ", count: 80).utf8))
    var images = Data()
    for image in 0..<200 {
      images.append(UInt8(image % 10))
      for place in 0..<3072 { images.append(UInt8((image * place + place / 7) % 251)) }
    }
    try write("cifar-10-batches-bin/data_batch_1.bin", images)
    for (name, factor) in [("before", 1 as Float), ("after", 1.5)] {
      try SafetensorsWriter.write(
        [
          NamedValues(
            name: "layers.0.weight", shape: [8, 4],
            values: (0..<32).map { factor * Float($0 % 7) })
        ], to: directory.appendingPathComponent("\(name).safetensors"))
    }
    try writeSeries()
  }

  /// A series over widths; which format a file has, its bytes decide and not its name.
  private func writeSeries() throws {
    for width in [64, 128, 256, 512] {
      for step in 0...1 {
        var values = [Float](repeating: 0, count: width * width)
        for place in 0..<width { values[place * width + place] = 1 + 0.01 * Float(step) }
        try SafetensorsWriter.write(
          [NamedValues(name: "layers.1.weight", shape: [width, width], values: values)],
          to: directory.appendingPathComponent("w\(width)-\(step).pt"))
      }
    }
  }

  private func write(_ name: String, _ data: Data) throws {
    let file = directory.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: file)
  }

  /// Runs a command as printed, with `extra` options at the end of each call of `gputrain`.
  func run(_ text: String, extra: String = "") throws -> CommandResult {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try CommandRunner.run(
      ["-c", text], executable: URL(fileURLWithPath: "/bin/bash"), in: directory,
      environment: ["PATH": "\(programs.path):\(path)", "README_EXTRA": extra])
  }
}
