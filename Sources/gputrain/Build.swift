/// Which program this is.
enum Build {
  /// The commit that it was built from, with a plus sign behind it where files were changed: what a bug
  /// report needs, and what results are kept with.
  static let version: String = {
    let commit = gitCommit
    let mark = commit.hasSuffix("+") ? "+" : ""
    return commit.isEmpty ? "of an unknown commit" : "commit \(commit.prefix(12))\(mark)"
  }()
}
