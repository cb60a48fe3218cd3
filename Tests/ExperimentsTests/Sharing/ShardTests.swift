import Spectral
import Testing

@testable import Experiments

@Suite struct ShardTests {
  private let cells = [64, 128, 256].flatMap { width in
    (1...5).flatMap { seed in
      [-8.0, -7, -6].map {
        RunCell(
          parametrization: "sp", optimizer: .adam, width: width, log2LearningRate: $0,
          seed: UInt64(seed))
      }
    }
  }

  private func cost(_ cell: RunCell) -> Double { Double(cell.width * cell.width) }

  @Test(arguments: [1, 2, 7, 45, 60]) func parts_holdEachRunOnce_andCostAboutTheSame(count: Int)
    throws
  {
    let parts = try (1...count).map {
      try #require(Shard($0, of: count)).cells(of: cells, cost: cost)
    }
    #expect(parts.joined().count == cells.count && Set(parts.joined()) == Set(cells))
    let costs = parts.map { $0.reduce(0) { $0 + cost($1) } }
    let dearest = cells.map(cost).max() ?? 0
    #expect((costs.max() ?? 0) - (costs.min() ?? 0) <= dearest)
  }

  @Test func partsThatAreNone_areRefused() {
    #expect(Shard(0, of: 3) == nil && Shard(4, of: 3) == nil && Shard(1, of: 0) == nil)
  }

  @Test(arguments: [
    (["SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"], "4/8"),
    (
      [
        "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "3",
        "SLURM_ARRAY_TASK_STEP": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1",
      ], "6/6"
    ),
    (["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"], "1/4"),
    (["SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "3"], nil),
    (["SLURM_STEP_NUM_TASKS": "1"], nil), (["SLURM_NTASKS": "4", "SLURM_PROCID": "0"], nil),
  ]) func slurm_saysWhichPart(environment: [String: String], expected: String?) throws {
    guard let expected else {
      _ = #expect(throws: ShardError.self) { try ShardChoice.slurm.shard(in: environment) }
      return
    }
    let shard = try ShardChoice.slurm.shard(in: environment)
    #expect(ShardChoice.part(shard).setting == .string(expected))
  }

  @Test func mpi_saysWhichPart() throws {
    let open = try ShardChoice.mpi.shard(
      in: ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"])
    #expect(open.index == 2 && open.count == 3)
    #expect(try ShardChoice.mpi.shard(in: ["PMI_RANK": "0", "PMI_SIZE": "2"]).index == 1)
    #expect(throws: ShardError.self) { try ShardChoice.mpi.shard(in: [:]) }
  }
}
