import OpenCL
import Testing

@testable import Experiments
@testable import Tensors

@Suite(.serialized) struct CLBlastTasksTests {
  @Test func switchPoint_liesWhereOneTakesOver() {
    typealias Product = (work: Double, gain: Double)
    // ln(direct/indirect) below zero: the direct kernel is the faster one.
    let crossing: [Product] = [(1e6, -1), (8e6, -0.5), (64e6, 0.5), (512e6, 1)]
    let point = Double(CLBlastTasks.switchPoint(crossing))
    #expect(8e6 < point * point * point && point * point * point < 64e6)
    #expect(CLBlastTasks.switchPoint([(1e6, 1), (8e6, 0.5)]) == 0)
    let beyond = Double(CLBlastTasks.switchPoint([(1e6, -1), (8e6, -0.5)]))
    #expect(beyond * beyond * beyond > 8e6)
    // Equal sizes cannot be parted: their sum counts.
    #expect(CLBlastTasks.switchPoint([(1e6, -1), (1e6, 2), (1e6, 0.5)]) == 0)
    #expect(CLBlastTasks.switchPoint([(1e6, -1), (1e6, 0.5)]) > 100)
    #expect(CLBlastTasks.switchPoint([]) == 0)
    // A slower one in between does not hide what is best in all.
    #expect(Double(CLBlastTasks.switchPoint([(1e6, 0.5), (8e6, -2), (64e6, 3)])) > 200)
  }

  @Test func shapes_areReadOrRefused() {
    #expect(
      TuningShape(text: "32*64x128x256", atMost: 1000)
        == TuningShape(replicas: 32, batch: 64, outputs: 128, inputs: 256))
    #expect(
      TuningShape(text: "64×10×20", atMost: 64)
        == TuningShape(batch: 64, outputs: 10, inputs: 20))
    for text in [
      "", "64", "64x10", "64x10x20x30", "0x1x1", "-1x1x1", "1x1x1001", "a*1x1x1", "*1x1x1",
      "2*3*1x1x1", "1xx1", " 1x1x1", "1e3x1x1", "99999999999999999999x1x1",
    ] {
      #expect(TuningShape(text: text, atMost: 1000) == nil, "\(text)")
    }
    #expect(Set(TuningShape.usual.map(\.productClass)) == [.small, .large])
  }

  @Test func steps_areOfTheClassesThatShapesHave() throws {
    let compute = try Compute(device: .find(.best), backend: .clblast)
    let small = TuningShape(batch: 8, outputs: 8, inputs: 8)
    let large = TuningShape(batch: 512, outputs: 512, inputs: 512)
    func families(_ shapes: [TuningShape]) -> [String] {
      CLBlastTasks(shapes: shapes, compute: compute).steps.map(\.family)
    }
    #expect(families([small]) == ["clblast/XgemmDirect", "clblast/GemmRoutine"])
    #expect(
      families([large]) == [
        "clblast/Xgemm", "clblast/Padtranspose", "clblast/Pad", "clblast/GemmRoutine",
      ])
    #expect(families([small, large]).count == 5)
    let tasks = CLBlastTasks(shapes: [small, large], compute: compute)
    for shapeClass in ["small", "large"] {
      let shares = tasks.steps.indices.filter { tasks.steps[$0].shapeClass == shapeClass }
        .map(tasks.share)
      #expect(abs(shares.reduce(0, +) - 1) <= 1e-12)
    }
  }

  /// Real products of one candidate, timed and checked; the clock lets no second one begin.
  @Test func directKernel_isTriedOnTheDevice() throws {
    let compute = try Compute(device: .find(.best), backend: .clblast)
    let tasks = CLBlastTasks(
      shapes: [TuningShape(replicas: 2, batch: 8, outputs: 24, inputs: 16)],
      // Suites beside this one use CLBlast too: each timing may have to change parameters over.
      blockLength: .zero, compute: compute)
    let task = try tasks.task(of: 0, found: [])
    // What compiles quickly on CPUs, whatever the known ones are.
    let candidate = [
      "WGD": 8, "MDIMCD": 8, "NDIMCD": 8, "MDIMAD": 8, "NDIMBD": 8, "KWID": 2, "VWMD": 1,
      "VWND": 1, "PADA": 0, "PADB": 0,
    ]
    #expect(task.space.accepts(candidate) && candidate != task.start)
    let one = TuningTask(
      family: task.family, shapeClass: task.shapeClass, start: task.start,
      space: ParameterSpace(values: [:], known: [candidate]), time: task.time,
      isRight: task.isRight)
    let outcome = try KernelTuner(seconds: 600).run(one)
    #expect(outcome.progress.tried == 1)
    #expect(outcome.progress.failed == 0 && outcome.progress.wrong == 0)
    #expect(outcome.kernel.map { $0.parameters == candidate && $0.gain > 1 } ?? true)
    let times = try task.time(task.start)
    #expect(times.count == 3 && times.allSatisfy { $0 > 0 })
  }

  /// Off by a hundredth, and of one mode not written at all.
  @Test func check_findsWrongProducts() throws {
    let compute = try Compute(device: .find(.best), backend: .opencl)
    let right = CPUBackend(cores: 1)
    let check = ProductCheck(expected: right, compute: compute)
    #expect(try check.isRight(CPUBackend(cores: 3)))
    #expect(try !check.isRight(WrongBackend { MatrixProduct.scaled($0, by: 1.01) }))
    #expect(try !check.isRight(WrongBackend { $0.mode == .tn ? nil : $0 }))
  }

  private struct WrongBackend: GEMMBackend {
    let name = "wrong"
    let change: (MatrixProduct) -> MatrixProduct?

    init(_ change: @escaping (MatrixProduct) -> MatrixProduct?) {
      self.change = change
    }

    func multiply(_ product: MatrixProduct, compute: Compute) throws {
      guard let changed = change(product) else { return }
      try CPUBackend(cores: 1).multiply(changed, compute: compute)
    }
  }
}

extension MatrixProduct {
  fileprivate static func scaled(_ product: MatrixProduct, by factor: Float) -> MatrixProduct {
    MatrixProduct(
      product.mode, product.a, product.b, alpha: product.alpha * factor, into: product.c)
  }
}
