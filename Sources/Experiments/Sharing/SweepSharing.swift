/// How several processes share the runs of one store.
public enum SweepSharing: Hashable, Sendable {
  /// Each takes what nobody else has claimed; what a process that is gone had claimed is taken over.
  ///
  /// - program: the program's version; live processes of others are refused. timeout: how long a claim may
  ///   stand still before its process is taken to be gone.
  case claims(program: String = "", timeout: Duration = SweepSharing.defaultTimeout)
  /// Each does its part, and looks at nobody else; of several the part of a part.
  case shards([Shard])

  /// Network file systems may show what was a minute ago.
  public static let defaultTimeout = Duration.seconds(120)
}
