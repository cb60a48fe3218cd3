import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Experiments
@testable import Tensors

@Suite(.serialized) struct TileTasksTests {
  private static let small = TuningShape(replicas: 2, batch: 8, outputs: 24, inputs: 16)
  private static let large = TuningShape(batch: 512, outputs: 512, inputs: 512)
  private static let tile = LocalTile(
    rows: 64, columns: 32, depth: 8, threadRows: 8, threadColumns: 4)

  @Test func steps_areOfTheClassesThatShapesHave() throws {
    let compute = try Compute.idle(backend: .tiled)
    func steps(_ shapes: [TuningShape]) -> [String] {
      TileTasks(shapes: shapes, compute: compute).steps.map { "\($0.family) \($0.shapeClass)" }
    }
    #expect(steps([Self.small]) == ["tiled/fp32 small"])
    #expect(steps([Self.small, Self.large]) == ["tiled/fp32 large", "tiled/fp32 small"])
  }

  /// Real products of one candidate, timed and checked, and of one that is refused.
  @Test func tile_isTriedOnTheDevice() throws {
    let compute = try Compute.idle(backend: .tiled)
    let tasks = TileTasks(shapes: [Self.small], blockLength: .zero, compute: compute)
    let earlier = DeviceTuning.Kernel(
      family: "tiled/fp32", shapeClass: "small", parameters: Self.tile.parameters, before: 2,
      after: 1)
    let task = try tasks.task(of: 0, found: [earlier])
    #expect(task.space.known.first == Self.tile.parameters)
    #expect(task.space.accepts(task.start) && task.start != Self.tile.parameters)
    #expect(!task.space.accepts(["TILE_M": 64]))
    let one = TuningTask(
      family: task.family, shapeClass: task.shapeClass, start: task.start,
      space: ParameterSpace(values: [:], known: [Self.tile.parameters]), time: task.time,
      isRight: task.isRight)
    let outcome = try KernelTuner(seconds: 600).run(one)
    #expect(outcome.progress.tried == 1)
    #expect(outcome.progress.failed == 0 && outcome.progress.wrong == 0)
    #expect(throws: OpenCLError.self) { try task.time(["TILE_M": 64]) }
  }

  @Test func tuning_isCheckedAgainstDefaultTiles() throws {
    let device = try Device.find(.best)
    let compute = try Compute.idle(backend: .tiled)
    func tuning(_ parameters: [String: Int]) -> DeviceTuning {
      DeviceTuning(
        key: .init(device), date: "2026-11-26T07:00:00Z",
        kernels: [
          DeviceTuning.Kernel(
            family: "tiled/fp32", shapeClass: "small", parameters: parameters, before: 2,
            after: 1)
        ])
    }
    #expect(try TileTasks.isRight(tuning(Self.tile.parameters), compute: compute))
    #expect(throws: OpenCLError.self) {
      try TileTasks.isRight(tuning(["TILE_M": 64]), compute: compute)
    }
  }
}
