/// What can go wrong with a request for a report.
public enum ReportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no such directory.
  case noDirectory(path: String)
  /// The directory of a sweep was asked for, and this one is of another kind.
  case noSweep(path: String, kind: String)
  /// The directory holds nothing of ours.
  case nothingThere(path: String)
  /// The directory holds a sweep, and no finished run of it.
  case noRuns(path: String)
  /// Several directories, one of which is no sweep.
  case notComparable(path: String, kind: String)
  /// Several sweeps that ask different questions, such as one along the depth.
  case otherAxes(path: String, axes: String, others: String)
  /// The directory is to hold one kind of results, and holds another.
  case otherResults(path: String, kind: String)

  /// One line.
  public var description: String {
    switch self {
    case .noDirectory(let path): "\(path): expected a directory, found none"
    case .noSweep(let path, let kind):
      "\(path): expected the directory of a sweep, found that of \(kind)"
    case .nothingThere(let path):
      "\(path): expected sweep.json, check.json or figures.json, found none; give the "
        + "directory that --out named"
    case .noRuns(let path):
      "\(path): the sweep has no finished run yet; the command that began it resumes it"
    case .otherResults(let path, let kind):
      "\(path) holds a \(kind); give another directory, each has one page"
    case .otherAxes(let path, let axes, let others):
      "\(path): sweeps are compared that ask the same, and this one is of \(axes), the first "
        + "of \(others); give it alone"
    case .notComparable(let path, let kind):
      "\(path): sweeps are compared, and this is a \(kind); give it alone"
    }
  }
}
