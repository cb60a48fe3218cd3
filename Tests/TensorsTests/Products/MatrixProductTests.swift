import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Every backend against plain loops in Double.
@Suite(.serialized) struct MatrixProductTests {
  static let shapes = [
    (1, 1, 1), (7, 13, 5), (64, 65, 63), (31, 17, 101), (10, 64, 64), (64, 10, 64), (3, 200, 129),
    (170, 171, 173), (65, 700, 301), (13, 531, 67), (531, 13, 521),
  ]
  /// Long blocks of k and several of them, wide B under few rows.
  static let longShapes = [(5, 300, 1100), (70, 40, 2100), (1, 40, 4100), (40, 530, 20)]

  /// The backends that this machine's default device can use, our own at every vector width.
  static func computes() throws -> [Compute] {
    let device = try Device.find(.best)
    var result = [try Compute.idle(backend: .clblast)]
    if device.supportsNativeKernels {
      result.append(try Compute.idle(backend: .openblas))
    }
    return try result + ownComputes()
  }

  /// Our own: for CPUs, and for GPUs with several tiles.
  static func ownComputes() throws -> [Compute] {
    let device = try Device.find(.best)
    let oblong = LocalTile(rows: 64, columns: 32, depth: 8, threadRows: 8, threadColumns: 4)
    return try [4, 8, 16].map {
      try Compute.idle(backend: .opencl, vectorWidth: $0)
    } + [Compute.idle(backend: .tiled), compute(.local(oblong))]
  }

  /// Tensor cores emulated, every precision; slow. What becomes of their sums is one code for all.
  static func emulatedComputes() throws -> [Compute] {
    let kernels: [GPUProductKernel] = [
      .tensor(
        TensorTile(rows: 32, columns: 64, depth: 16, warpRows: 16, warpColumns: 32, stages: 3),
        .tf32x3, emulation: .early),
      .tensor(
        TensorTile(rows: 64, columns: 32, depth: 32, warpRows: 32, warpColumns: 16, stages: 2),
        .tf32, emulation: .late),
      .tensor(
        TensorTile(rows: 32, columns: 32, depth: 16, warpRows: 32, warpColumns: 8, stages: 4),
        .bf16, emulation: .late),
    ]
    return try kernels.map(compute)
  }

  static func compute(_ kernel: GPUProductKernel) throws -> Compute {
    try Compute.idle(as: kernel) { try newCompute(kernel) }
  }

  /// One that has compiled nothing.
  static func newCompute(_ kernel: GPUProductKernel) throws -> Compute {
    try Compute(
      device: .find(.best), backend: GPUBackend(kernels: [kernel], units: 2), vectorWidth: 4)
  }

  /// Deterministic values in [−1, 1).
  func values(_ count: Int, seed: UInt32) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 23) - 1
    }
  }

  @Test func products_matchDoubleLoops_allFormsShapesAndBroadcasts() throws {
    let (computes, emulated) = (try Self.computes(), try Self.emulatedComputes())
    for mode in TransposeMode.allCases {
      for (m, n, k) in Self.shapes {
        let computes = m * n * k <= 1 << 19 ? computes + emulated : computes
        for (replicasA, replicasB) in [(1, 1), (3, 3), (1, 3), (3, 1)] {
          try expectProducts(computes, mode, m, n, k, replicasA, replicasB)
        }
      }
    }
  }

  @Test func productsOfLongSums_matchDoubleLoops() throws {
    let computes = try Self.ownComputes()
    for mode in TransposeMode.allCases {
      for (m, n, k) in Self.longShapes { try expectProducts(computes, mode, m, n, k, 1, 1) }
    }
    // More rows than a unit packs.
    try expectProducts(computes, .nn, 480, 512, 256, 1, 1)
  }

  /// What a unit packs fits what it has for it.
  @Test(arguments: [4, 8, 16]) func packedOperands_fitTheScratch(width: Int) throws {
    let compute = try Compute.idle(backend: .opencl, vectorWidth: width)
    let sizes = [1, 13, 64, 300, 512, 1024, 4096]
    for mode in TransposeMode.allCases {
      for (m, n, k) in sizes.flatMap({ m in sizes.flatMap { n in sizes.map { (m, n, $0) } } })
      where m * n <= 1 << 18 && max(m, n) * k <= 1 << 21 {
        let product = try product(mode, m, n, k, compute)
        let plan = CPUProductPlan(product, width: width)
        let left =
          plan.order.contains(.packsLeftBlock)
          ? plan.mostRows : plan.order.contains(.packsLeftTile) ? plan.tile.rows : 0
        for cores in [1, 2, 7, 64] {
          let cut = CPUProductCut(product, plan, cores: cores)
          #expect(
            min(cut.rowCut, plan.rows) <= plan.mostRows && cut.rowCut.isMultiple(of: plan.tile.rows)
              && cut.columnCut.isMultiple(of: plan.tile.columns), "\(mode) \(m)×\(n)×\(k)")
        }
        #expect(
          plan.blockDepth * (plan.blockColumns + left) <= CPUBackend.scratchSize
            && plan.blockColumns >= plan.tile.columns && plan.blockDepth >= 1
            && plan.mostRows >= min(plan.rows, plan.tile.rows), "\(mode) \(m)×\(n)×\(k)")
      }
    }
  }

  /// The products of training steps keep all cores busy, whatever their number.
  @Test(arguments: [1, 2, 3, 6, 16, 64]) func units_areSharedEvenly(cores: Int) throws {
    let compute = try Compute.idle(backend: .opencl, vectorWidth: 16)
    for mode in TransposeMode.allCases {
      for (width, inputs) in [(512, 512), (1024, 1024), (2048, 2048), (1024, 3072)] {
        let (m, n, k) =
          switch mode {
          case .nt: (64, width, inputs)
          case .nn: (64, inputs, width)
          case .tn: (width, inputs, 64)
          }
        let product = try product(mode, m, n, k, compute)
        let plan = CPUProductPlan(product, width: 16)
        let cut = CPUProductCut(product, plan, cores: cores)
        // A small product's tiles are few beside many cores.
        let tiles = m * n / (12 * 32)
        #expect(
          cut.balance >= (tiles >= 16 * cores ? 0.65 : 0.2),
          "\(mode) \(m)×\(n)×\(k), \(cores) cores: \(cut)")
        let items = WorkShares.items(units: cut.units, cores: cores)
        #expect(items <= 2 * cores)
      }
    }
  }

  /// No core gets more units than it must: one takes ⌈items/cores⌉ neighbouring work-items at most.
  @Test func workItems_areDealtEvenly() {
    for cores in [1, 2, 3, 4, 8, 16, 64] {
      for units in 1...20 * cores {
        let items = WorkShares.items(units: units, cores: cores)
        let shares = (0..<items).map { (units - $0 + items - 1) / items }
        let each = (items + cores - 1) / cores
        let loads = stride(from: 0, to: items, by: each).map {
          shares[$0..<min($0 + each, items)].reduce(0, +)
        }
        #expect(items <= 2 * cores && loads.count <= cores)
        #expect(loads.max() == (units + cores - 1) / cores, "\(units) units, \(cores) cores")
      }
    }
  }

  private func product(
    _ mode: TransposeMode, _ m: Int, _ n: Int, _ k: Int, _ compute: Compute
  ) throws -> MatrixProduct {
    MatrixProduct(
      mode, try compute.tensor(rows: mode == .tn ? k : m, columns: mode == .tn ? m : k),
      try compute.tensor(rows: mode == .nt ? n : k, columns: mode == .nt ? k : n), alpha: 1,
      into: try compute.tensor(rows: m, columns: n))
  }

  private func expectProducts(
    _ computes: [Compute], _ mode: TransposeMode, _ m: Int, _ n: Int, _ k: Int, _ replicasA: Int,
    _ replicasB: Int
  ) throws {
    let a = values(replicasA * m * k, seed: 1)
    let b = values(replicasB * k * n, seed: 2)
    let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
    let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
    let alpha: Float = 0.75
    let replicas = max(replicasA, replicasB)
    var expected = [(sum: Double, magnitude: Double)](
      repeating: (0, 0), count: replicas * m * n)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        let (stepA, stepB) = (mode == .tn ? m : 1, mode == .nt ? 1 : n)
        for index in expected.indices {
          let (replica, i, j) = (index / (m * n), index / n % m, index % n)
          var x = (replicasA == 1 ? 0 : replica * m * k) + (mode == .tn ? i : i * k)
          var y = (replicasB == 1 ? 0 : replica * k * n) + (mode == .nt ? j * k : j)
          var (sum, magnitude) = (0.0, 0.0)
          // Without ranges and generic functions, which take most of the time unless optimised.
          var left = k
          while left > 0 {
            let term = Double(a[x]) * Double(b[y])
            sum += term
            magnitude += term < 0 ? -term : term
            x += stepA
            y += stepB
            left -= 1
          }
          expected[index] = (Double(alpha) * sum, Double(alpha) * magnitude)
        }
      }
    }
    for compute in computes {
      let product = try compute.product(
        mode, compute.tensor(a, replicas: replicasA, rows: rowsA, columns: columnsA),
        compute.tensor(b, replicas: replicasB, rows: rowsB, columns: columnsB), alpha: alpha)
      #expect(product.shape == [replicas, m, n])
      let got = try compute.read(product)
      let bound = compute.backend.precision.relativeBound(depth: k)
      #expect(
        zip(got, expected).allSatisfy { abs(Double($0) - $1.sum) <= bound * $1.magnitude },
        """
        \(compute.backend.name) \(compute.backend.precision) width \(compute.vectorWidth) \(mode) \(m)×\(n)×\(k) \
        replicas \(replicasA), \(replicasB)
        """)
    }
  }

  @Test func replica_isBitForBitTheSoloProduct_onCPU() throws {
    let computes = try Self.computes().filter { $0.backend.name != "clblast" }
    let emulated = try Self.emulatedComputes()
    for compute in computes + emulated {
      for mode in TransposeMode.allCases {
        for (m, n, k) in [(24, 24, 24), (100, 100, 100), (64, 330, 300), (530, 90, 64)]
        where m < 50 || !emulated.contains(where: { $0 === compute }) {
          let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
          let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
          let (a, b) = (values(40 * m * k, seed: 3), values(40 * k * n, seed: 4))
          func product(_ replicas: Range<Int>) throws -> [Float] {
            let part = { (values: [Float]) in
              let stride = values.count / 40
              return Array(values[replicas.lowerBound * stride..<replicas.upperBound * stride])
            }
            return try compute.read(
              compute.product(
                mode,
                compute.tensor(
                  part(a), replicas: replicas.count, rows: rowsA, columns: columnsA),
                compute.tensor(
                  part(b), replicas: replicas.count, rows: rowsB, columns: columnsB)))
          }
          let group = try product(0..<40)
          for replica in [0, 39] {
            let range = replica * m * n..<(replica + 1) * m * n
            #expect(
              try Array(group[range]) == product(replica..<replica + 1),
              "\(compute.backend.name) \(mode) \(m)×\(n)×\(k)")
          }
        }
      }
    }
  }

  @Test func ownProduct_doesNotDependOnTheNumberOfCores() throws {
    let compute = try Compute.idle(backend: .opencl)
    let (m, n, k) = (531, 650, 300)
    for mode in TransposeMode.allCases {
      let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
      let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
      let a = try compute.tensor(values(m * k, seed: 6), rows: rowsA, columns: columnsA)
      let b = try compute.tensor(values(k * n, seed: 7), rows: rowsB, columns: columnsB)
      let results = try [1, 3, 64].map { cores in
        let c = try compute.tensor(rows: m, columns: n)
        try CPUBackend(cores: cores).multiply(
          MatrixProduct(mode, a, b, alpha: 1, into: c), compute: compute)
        return try compute.read(c)
      }
      #expect(results[0] == results[1] && results[0] == results[2])
    }
  }

  /// NaN behind the operands must not come in, and nothing be written behind the result.
  @Test func ownProduct_staysWithinItsTensors() throws {
    let guarded = 64
    let sentinel: Float = -77
    for compute in try Self.ownComputes() + Self.emulatedComputes() {
      func tensor(_ rows: Int, _ columns: Int, _ fill: Float) throws -> Tensor {
        let tensor = try Tensor(
          replicas: 2, rows: rows, columns: columns, guarded: guarded, pool: compute.pool)
        let own = [Float](repeating: 1, count: tensor.count)
        try tensor.buffer.write(
          own + [Float](repeating: fill, count: guarded), queue: compute.queue)
        return tensor
      }
      for mode in TransposeMode.allCases {
        for (m, n, k) in Self.shapes
        where compute.backend.precision == .fp32 || m * n * k <= 1 << 19 {
          let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
          let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
          let c = try tensor(m, n, sentinel)
          try compute.enqueue(
            MatrixProduct(
              mode, tensor(rowsA, columnsA, .nan), tensor(rowsB, columnsB, .nan), alpha: 1,
              into: c))
          let got = try compute.read(c)
          #expect(
            got.dropLast(guarded).allSatisfy { $0 == Float(k) }
              && got.suffix(guarded).allSatisfy { $0 == sentinel },
            "\(mode) \(m)×\(n)×\(k) width \(compute.vectorWidth)")
        }
      }
    }
  }

  @Test func repeatedProduct_allocatesNothing() throws {
    let compute = try Compute(device: .find(.best))
    let a = try compute.tensor(values(64, seed: 5), rows: 8, columns: 8)
    _ = try compute.product(.nn, a, a)
    let before = compute.allocations
    for _ in 0..<5 { _ = try compute.product(.nn, a, a) }
    #expect(compute.allocations == before)
  }
}
