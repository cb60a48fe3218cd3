import Foundation
import Testing

/// Full disks, closed streams, pipes in place of files, signals, folders that cannot be written: what is
/// lost is nothing, and nothing in silence.
@Suite(.runsPrograms) struct HostileMachineTests {
  /// A shell script in an empty directory, and what it prints. `$G` is the program, `train` and `sweep`
  /// begin short runs.
  struct Case: CustomTestStringConvertible {
    let title, script, output: String
    var testDescription: String { title }

    init(_ title: String, _ script: String, prints output: String) {
      (self.title, self.script, self.output) = (title, script, output)
    }
  }

  private static let start = """
    train() { "$G" train --data "$D" --width 8 --depth 1 --steps 4 "$@"; }
    sweep() { "$G" sweep --data "$D" --widths 8,16 --depth 1 --steps 4 --seeds 1 --log2-lr=-8,-7 \
    --parametrization sp "$@"; }
    file() { ls a/runs/*/$1 2>/dev/null | head -n 1; }

    """

  static let streams = [
    Case(
      "messages to a full disk are dropped", "train --out a 2>/dev/full >out; echo $?; file 'r*'",
      prints: "0\na/runs/ID/result.json\n"),
    Case(
      "messages to a closed stream are dropped, and reach no file",
      "train --out a 2>&- >out; echo $?; grep -rl device: a out; file 'r*'",
      prints: "0\na/runs/ID/result.json\n"),
    Case(
      "results to a full disk are an error",
      "train --out a -q >/dev/full 2>e; echo $?; cat e; file 'r*'",
      prints: "74\nError: cannot write to standard output: No space left on device\n"
        + "a/runs/ID/result.json\n"),
    Case(
      "help and results to nowhere are errors",
      "\"$G\" --help >/dev/full 2>e; echo $?; \"$G\" scaling >&- 2>e; echo $?; cat e",
      prints: "74\n74\nError: cannot write to standard output: Bad file descriptor\n"),
    Case(
      "a reader that leaves is no error",
      "(\"$G\" scaling --depth 400 2>e; echo $? >s) | head -n 1 >out; cat s e",
      prints: "0\n"),
  ]

  static let files = [
    Case(
      "--save is looked at before training",
      "train --out a --save none/w.safetensors 2>e; echo $?; cat e; ls -d a; "
        + "train --out a --save . 2>/dev/null; echo $?; ls -d a",
      prints: "64\nError: --save: write DIR/none/w.safetensors: No such file or directory\n64\n"),
    Case(
      "a failing --save costs no result",
      "mkdir d; train --steps 2000 --out a --save d/w >out 2>e & until [ -d a/runs ]; do sleep 0.01; "
        + "done; rmdir d; wait $!; echo $?; file 'r*'; grep -c 'validation loss' out; "
        + "grep -o 'the weights are not saved' e",
      prints: "1\na/runs/ID/result.json\n1\nthe weights are not saved\n"),
    Case(
      "--resume keeps --save",
      "train --out a --checkpoint-every 2 --save w -q >out; echo $?; rm w $(file 'r*') "
        + "$(file checkpoints/*4.safetensors); \"$G\" train --resume a -q >out; echo $?; ls w",
      prints: "0\n0\nw\n"),
    Case(
      "a pipe is no file",
      "mkfifo f f.csv f.yaml; mkdir r; mkfifo r/sweep.json; "
        + "for c in 'train --data f.csv' 'train --resume f' 'sweep f.yaml' 'norms f' 'report r' "
        + "'tune --import f'; do "
        + "timeout 20 \"$G\" $c --out a -q 2>e || timeout 20 \"$G\" $c -q 2>e; "
        + "echo \"$c $(grep -c 'expected a regular file' e)\"; done; ls -d a",
      prints:
        "train --data f.csv 1\ntrain --resume f 1\nsweep f.yaml 1\n"
        + "norms f 1\nreport r 1\ntune --import f 1\n"),
    Case(
      "what a file's error advises helps",
      "sweep --out a -q >out; c=$(file config.json); echo '{' >$c; sweep --out a -q >out 2>e; echo $?; "
        + "grep -c 'remove it to have it made again' e; rm $c; sweep --out a -q >out; echo $?; cat $c "
        + "| head -c 2; m=$(file metrics.jsonl); : >$m; \"$G\" report a 2>e; echo $?; grep -o "
        + "'an empty file; the sweep.s command makes the run again' e; sweep --out a 2>&1 >out "
        + "| grep -o '1 runs whose metrics.jsonl .*'; test -s $m; echo $?",
      prints: "1\n1\n0\n{\n1\nan empty file; the sweep's command makes the run again\n"
        + "1 runs whose metrics.jsonl is gone or empty are made again\n0\n"),
    Case(
      "history.json grows with what is asked, and says which program it was",
      "for i in 1 2; do sweep --out a -q >out; done; grep -c began a/history.json; "
        + "sweep --seeds 2 --out a -q >out; grep -c began a/history.json; "
        + "\"$G\" --version | sed 's/^gputrain //' | grep -cFf - a/history.json",
      prints: "1\n2\n2\n"),
    Case(
      "a check that keeps nothing has its verdict's status",
      "touch runs; \"$G\" check --widths 32,128 --depth 1 --seeds 3 --parametrization sp >out 2>e; "
        + "echo $?; grep -c 'breaks the spectral condition' out; grep -o 'nothing .* kept' e",
      prints: "1\n1\nnothing will be kept\nnothing is kept\n"),
    Case(
      "widths too narrow or too close tell nothing against a sound rule",
      "for w in 60,64,68; do \"$G\" check --widths $w --steps 1 --out a --json >out 2>e; echo $?; "
        + "grep -o '\"verdict\" : \"unclear\"' out | uniq; done",
      prints: "2\n\"verdict\" : \"unclear\"\n"),
    Case(
      "PoCL has a cache where the usual one cannot be written, and names one that cannot",
      "env -u POCL_CACHE_DIR XDG_CACHE_HOME=/proc/1 \"$G\" devices 2>&1 >out | grep -o '/proc/1/pocl/kcache cannot be written'; "
        + "POCL_CACHE_DIR=/proc/1/x \"$G\" selftest >out 2>e; echo $?; grep -o 'set POCL_CACHE_DIR' e",
      prints: "/proc/1/pocl/kcache cannot be written\n1\nset POCL_CACHE_DIR\n"),
  ]

  static let commandLines = [
    Case(
      "bad command lines end with 64",
      "for c in 'check --widths 64;128' 'check --lr 1e9' 'train -width 16' "
        + "'sweep --widths 64:256:3' 'scaling --parametrization x'; do "
        + "\"$G\" $c >out 2>e; s=$?; [ $s = 64 ] && [ -s e ] && ! [ -s out ] || echo \"$c: $s\"; done; ls",
      prints: "e\nout\n"),
    Case(
      "a plain rate is the setting of its log2",
      "train --lr 0.0078125 --out a -q >out; train --log2-lr=-7 --out a 2>&1 >out | grep -o 'nothing to run'; "
        + "sweep() { \"$G\" sweep --data \"$D\" --widths 8 --depth 1 --steps 4 --seeds 1 --parametrization sp --out b \"$@\"; }; "
        + "sweep --lr 0.00390625,0.0078125 -q >out; sweep --log2-lr=-8,-7 2>&1 >out | grep -o 'nothing to run'",
      prints: "nothing to run\nnothing to run\n"),
    Case(
      "the version names a commit",
      "\"$G\" --version | grep -cE '^gputrain (commit [0-9a-f]{12}\\+?|of an unknown commit)$'",
      prints: "1\n"),
  ]

  /// Sends signals once the first checkpoint is there.
  private static func signals(_ numbers: String, in wrapper: String = "") -> String {
    "\(wrapper) \"$G\" train --data \"$D\" --width 8 --depth 1 --steps 1000000 --checkpoint-every 20 --out a "
      + ">out 2>e & p=$!; until [ -e \"$(file checkpoints/*)\" ]; do sleep 0.01; done; "
      + "\(numbers); wait $p; echo $?; grep -o 'stopped; resume' e"
  }

  static let interruptions = [
    Case(
      "SIGINT twice at once keeps the checkpoint",
      signals("kill -INT $p; sleep 0.03; kill -INT $p"), prints: "130\nstopped; resume\n"),
    Case("SIGHUP keeps it too", signals("kill -HUP $p"), prints: "129\nstopped; resume\n"),
    Case(
      "nohup keeps running", signals("kill -HUP $p; sleep 0.2; kill -TERM $p", in: "nohup"),
      prints: "143\nstopped; resume\n"),
    // The program that makes the pictures sends the signal, so that it comes while they are made.
    Case(
      "a signal while pictures are made costs none of them, and all is done",
      "printf '#!/bin/sh\nfor a; do case $a in --output=*) echo made >\"${a#--output=}\";; esac; done\n"
        + "kill -TERM $PPID\n' >rsvg-convert; chmod +x rsvg-convert; PATH=$PWD:$PATH; "
        + "sweep --out a --pictures svg,png 2>e >out; echo $?; grep -o 'pictures in .*' e; "
        + "cat a/report-pictures/*.png | uniq; tail -c 8 a/report.html; "
        + "find a -name '.tmp-*'; sweep --out a -q --pictures svg | diff - out && echo same",
      prints: "0\npictures in a/report-pictures\nmade\n</html>\nsame\n"),
    Case(
      "SIGQUIT ends the program",
      // Shells ignore it for what runs in the background.
      signals("kill -QUIT $p", in: "env --default-signal=QUIT"), prints: "131\n"),
  ]

  @Test(arguments: streams + files + commandLines + interruptions)
  func hostileMachine_losesNothingInSilence(of test: Case) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let result = try CommandRunner.run(
        ["-c", Self.start + test.script], executable: URL(fileURLWithPath: "/bin/bash"),
        in: directory,
        environment: [
          "G": CommandRunner.products.appendingPathComponent("gputrain").path,
          "D": CommandRunner.data,
        ])
      let output = result.output.replacing(/runs\/[0-9a-f]{16}/, with: "runs/ID")
        .replacing(directory.resolvingSymlinksInPath().path, with: "DIR")
        .replacing(directory.path, with: "DIR")
      #expect(output == test.output, "\(result.errors)")
    }
  }

  /// A terminal that is closed under a program that was told to ignore SIGHUP.
  @Test func terminalThatGoes_costsNothing() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var (terminal, inner): (Int32, Int32) = (-1, -1)
      #expect(openpty(&terminal, &inner, nil, nil, nil) == 0)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/bash")
      process.arguments = [
        "-c",
        "trap '' HUP; exec \"$0\" sweep --data \"$1\" --widths 8,16 --depth 1 --steps 800 --seeds 1 "
          + "--log2-lr=-8,-7 --parametrization sp --out a",
        CommandRunner.products.appendingPathComponent("gputrain").path, CommandRunner.data,
      ]
      process.currentDirectoryURL = directory
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle(fileDescriptor: inner)
      try process.run()
      close(inner)
      var bytes = [UInt8](repeating: 0, count: 300)
      #expect(read(terminal, &bytes, bytes.count) > 0)
      close(terminal)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      let summary = try String(
        contentsOf: directory.appendingPathComponent("a/summary.csv"), encoding: .utf8)
      #expect(summary.split(separator: "\n").count == 5)
    }
  }

  /// Everything that is written goes through `Terminal`.
  @Test func standardStreams_haveOneWriter() throws {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources")
    let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
    for case let file as URL in try #require(files)
    where file.pathExtension == "swift" && file.lastPathComponent != "Terminal.swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for other in ["FileHandle.standard", "Swift.print", "fputs("] {
        #expect(!text.contains(other), "\(file.lastPathComponent)")
      }
      #expect(text.firstMatch(of: /[^.\w]print\("/) == nil, "\(file.lastPathComponent)")
    }
  }
}
