/// A part of a sweep's runs, as an option has it: by number, or as a batch system's environment says.
public enum ShardChoice: SettingValue {
  /// This part.
  case part(Shard)
  /// The task of a Slurm array, of several tasks in one job, or of both.
  case slurm
  /// The rank among those that mpirun or srun has started.
  case mpi

  /// Reads `3/8`, `slurm` or `mpi`.
  public init?(setting: JSONValue) {
    let text = setting.optionText
    switch text {
    case "slurm": self = .slurm
    case "mpi": self = .mpi
    default:
      let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
      guard numbers.count == 2, let index = numbers[0], let count = numbers[1],
        let shard = Shard(index, of: count)
      else { return nil }
      self = .part(shard)
    }
  }

  /// As an option has it.
  public var setting: JSONValue {
    switch self {
    case .part(let shard): .string("\(shard.index)/\(shard.count)")
    case .slurm: .string("slurm")
    case .mpi: .string("mpi")
    }
  }

  /// For errors.
  public static let expected = "a part such as 3/8, from 1/8 to 8/8, or slurm or mpi"

  /// The part that is meant.
  ///
  /// - Throws: `ShardError` where the environment does not say.
  public func shard(in environment: [String: String]) throws -> Shard {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    switch self {
    case .part(let shard): return shard
    case .slurm:
      // A batch script's own environment has the tasks too, as if it were the first: only srun starts them.
      let count = number("SLURM_STEP_NUM_TASKS")
      let tasks = (rank: count.flatMap { _ in number("SLURM_PROCID") } ?? 0, count: count ?? 1)
      guard let task = number("SLURM_ARRAY_TASK_ID"), let count = number("SLURM_ARRAY_TASK_COUNT")
      else {
        guard tasks.count > 1, let shard = Shard(tasks.rank + 1, of: tasks.count) else {
          throw ShardError(
            "slurm: expected a job array (SLURM_ARRAY_TASK_ID) or several tasks "
              + "of srun (SLURM_STEP_NUM_TASKS), got neither")
        }
        return shard
      }
      let step = max(1, number("SLURM_ARRAY_TASK_STEP") ?? 1)
      let index = (task - (number("SLURM_ARRAY_TASK_MIN") ?? 0)) / step
      guard let shard = Shard(index * tasks.count + tasks.rank + 1, of: count * tasks.count) else {
        throw ShardError(
          "slurm: expected an array without gaps, got task \(task) of \(count); without "
            + "--shard any array will do")
      }
      return shard
    case .mpi:
      let names = [
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"),
        ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
      ]
      for (rank, size) in names {
        if let rank = number(rank), let size = number(size), let shard = Shard(rank + 1, of: size) {
          return shard
        }
      }
      throw ShardError(
        "mpi: expected to be started by mpirun or srun, got none of "
          + names.map { "\($0.0) with \($0.1)" }.joined(separator: ", "))
    }
  }
}

/// An environment that does not say which part of a sweep a process is to do.
public struct ShardError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line: what was expected and what was found.
  public let description: String

  init(_ description: String) { self.description = description }
}
