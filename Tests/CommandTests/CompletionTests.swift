import Foundation
import Testing

@testable import GPUTrainCommand

/// The completion scripts, checked and used by the shells that are installed.
@Suite(.serialized, .runsPrograms) struct CompletionTests {
  /// Words on a command line, the last under way, and what a shell offers; of files, the ones that
  /// fit among those of the working directory.
  static let cases: [(words: [String], offered: [String])] = [
    (["dev"], ["devices"]),
    (
      ["sweep", "--objective", ""], ["train", "train-whole", "validation", "best-validation"]
    ),
    (["sweep", "--optimizer", "adam,mom"], ["adam,momentum"]),
    (
      ["sweep", "--parametrization", "sp,mup,"],
      ["sp,mup,ntp", "sp,mup,spectral", "sp,mup,spectral-literal"]
    ),
    (["train", "--parametrization", "n"], ["ntp"]),
    (
      ["train", "--parametrization-file", "mine.yaml", "--parametrization", "mi"], ["mine"]
    ),
    (["train", "--activation", "t"], ["tanh"]), (["check", "--device", "c"], ["cpu"]),
    (["bench", "step", "--optimizer", "nest"], ["nesterov"]),
    (["bench", "gemm", "--transpose", "t"], ["tn"]),
    (["norms", "--sort", "stable"], ["stable-rank"]),
    (["scaling", "--input-m"], ["--input-multiplier"]),
    (["train", "--parametrization-file", "m"], ["mine.yaml"]),
    (["norms", "w"], ["w.safetensors"]), (["train", "--out", "ru"], ["runs/"]),
  ]

  private func withFiles(_ body: (URL) throws -> Void) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data("parametrizations:\n  mine: {family: adam}\n".utf8)
        .write(to: directory.appendingPathComponent("mine.yaml"))
      for name in ["m.txt", "w.safetensors", "w.md", "ru.txt"] {
        try Data().write(to: directory.appendingPathComponent(name))
      }
      try FileManager.default.createDirectory(
        at: directory.appendingPathComponent("runs"), withIntermediateDirectories: false)
      for shell in ["bash", "zsh", "fish"] {
        let script = try CommandRunner.run(["--generate-completion-script", shell])
        #expect(script.status == 0 && script.output.contains("gputrain"))
        try Data(script.output.utf8).write(
          to: directory.appendingPathComponent("_gputrain.\(shell)"))
      }
      try body(directory)
    }
  }

  /// Runs an installed shell's script.
  private func run(_ shell: String, _ arguments: [String], in directory: URL) throws
    -> CommandResult
  {
    let executable = try #require(CommandRunner.installed(shell))
    let variables = ProcessInfo.processInfo.environment
    return try CommandRunner.run(
      arguments, executable: executable, in: directory,
      environment: [
        "PATH": "\(CommandRunner.products.path):\(variables["PATH"] ?? "")",
        "HOME": directory.path, "XDG_CONFIG_HOME": directory.path, "TERM": "dumb",
      ])
  }

  private func quoted(_ text: String) -> String { "'\(text)'" }

  @Test(.enabled(if: CommandRunner.installed("bash") != nil))
  func bash_offersWhatFits() throws {
    try withFiles { directory in
      let syntax = try run("bash", ["-n", "_gputrain.bash"], in: directory)
      #expect(syntax.status == 0 && syntax.errors.isEmpty, "\(syntax.errors)")
      var script = """
        . ./_gputrain.bash
        f=$(complete -p gputrain | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_TYPE=9

        """
      for (words, _) in Self.cases {
        let line = (["gputrain"] + words).joined(separator: " ")
        script += """
          COMP_WORDS=(\((["gputrain"] + words).map(quoted).joined(separator: " ")))
          COMP_CWORD=\(words.count) COMP_LINE=\(quoted(line)) COMP_POINT=\(line.utf8.count) COMPREPLY=()
          $f gputrain \(quoted(words.last!)) \(quoted(words.dropLast().last ?? "gputrain")) 2>/dev/null
          (IFS='|'; echo "${COMPREPLY[*]}")

          """
      }
      let result = try run("bash", ["--norc", "--noprofile", "-c", script], in: directory)
      check(result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }
  }

  @Test(.enabled(if: CommandRunner.installed("fish") != nil))
  func fish_offersWhatFits() throws {
    try withFiles { directory in
      let syntax = try run("fish", ["-n", "_gputrain.fish"], in: directory)
      #expect(syntax.status == 0 && syntax.errors.isEmpty, "\(syntax.errors)")
      // What the program itself is asked for, fish completes in an interactive shell only.
      let cases = Self.cases.filter {
        !["--optimizer", "--parametrization"].contains($0.words.dropLast().last)
      }
      let script = cases.map { words, _ in
        let line = (["gputrain"] + words).joined(separator: " ")
        return "echo (complete -C \(quoted(line)) | string replace -r '\\t.*' '' | string join '|')"
      }
      let result = try run(
        "fish",
        ["--no-config", "-c", (["source _gputrain.fish"] + script).joined(separator: "\n")],
        in: directory)
      check(
        result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init),
        cases)
    }
  }

  /// A line of candidates a case; a shell may write a directory without its slash, or offer a
  /// directory among files.
  private func check(
    _ lines: [String], _ cases: [(words: [String], offered: [String])] = cases
  ) {
    for ((words, offered), line) in zip(cases, lines) {
      let isFile = offered[0].contains("/") || offered[0].contains(".")
      func name(_ text: some StringProtocol) -> String {
        text.hasSuffix("/") ? String(text.dropLast()) : String(text)
      }
      let found = Set(line.split(separator: "|").map { name($0.trimmingPrefix(" ")) })
      let expected = Set(offered.map { name($0) })
      #expect(isFile ? expected.isSubset(of: found) : expected == found, "\(words): \(line)")
      if isFile {
        #expect(!found.contains("m.txt") && !found.contains("w.md"), "\(words): \(line)")
      }
    }
    #expect(lines.count >= cases.count)
  }

  /// zsh completes in a terminal only: in one of its own, where the one candidate that fits is put
  /// in. On a busy machine that takes its time.
  @Test(.enabled(if: CommandRunner.installed("zsh") != nil))
  func zsh_completesWhatAloneFits() throws {
    try withFiles { directory in
      let syntax = try run("zsh", ["-f", "-n", "_gputrain.zsh"], in: directory)
      #expect(syntax.status == 0 && syntax.errors.isEmpty, "\(syntax.errors)")
      try FileManager.default.moveItem(
        at: directory.appendingPathComponent("_gputrain.zsh"),
        to: directory.appendingPathComponent("_gputrain"))
      let cases = Self.cases.filter { Self.zsh.contains($0.words) }
      #expect(cases.count == Self.zsh.count)
      let arguments = cases.flatMap { words, offered in
        let start = (["gputrain"] + words.dropLast()).joined(separator: " ")
        return ["\(start) \(words.last!)", "\(start) \(offered[0])"]
      }
      let result = try run("zsh", ["-f", "-c", Self.zshScript, "zsh"] + arguments, in: directory)
      #expect(result.output == String(repeating: "right\n", count: cases.count), "\(result.output)")
    }
  }

  /// A candidate of each kind: subcommand, list, custom, file, directory.
  static let zsh = [
    ["dev"], ["train", "--activation", "t"], ["sweep", "--optimizer", "adam,mom"],
    ["train", "--parametrization-file", "m"], ["train", "--out", "ru"],
  ]

  /// Takes pairs of what is typed before the tabulator and what is to stand there afterwards.
  static let zshScript = #"""
    zmodload zsh/zpty
    zpty -b z zsh -f -i
    until_seen() {
      local part
      local -i n=0
      seen=
      while (( n++ < 400 )); do
        if zpty -rt z part; then
          seen+=$part
          [[ $seen == *$1* ]] && return
        else
          sleep 0.05
        fi
      done
    }
    zpty -w z "PROMPT= RPROMPT= ; unsetopt zle_bracketed_paste prompt_cr prompt_sp"
    zpty -w z "fpath=($PWD \$fpath); autoload -U compinit; compinit -u -D; print rea\"\"dy"
    until_seen ready
    while (( $# )); do
      for pause in 0.5 2 8; do
        zpty -w -n z "$1"$'\t'
        sleep $pause
        zpty -w -n z $'\x01print -r -- "<\x05>"\n'
        until_seen '>'
        until_seen '>'
        line=${${seen##*<}%%>*}
        [[ ${line% } == ${2%/} || ${line% } == $2 ]] && break
      done
      [[ ${line% } == ${2%/} || ${line% } == $2 ]] && print right || print -r -- "$1 became $line"
      shift 2
    done
    zpty -d z
    """#
}
