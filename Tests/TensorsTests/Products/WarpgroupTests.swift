import OpenCL
import Testing

@testable import Tensors

/// Products by warpgroups: packed operands bit by bit, the kernel emulated as the PTX ISA has its
/// instructions, what is chosen, and how instructions come into the compiler's text.
@Suite(.serialized) struct WarpgroupTests {
  static func choice(
    _ precision: ProductPrecision, columns: [Int] = [256, 128], stages: Int = 2,
    always: Bool = true
  ) -> WarpgroupChoice {
    WarpgroupChoice(
      kernels: columns.map {
        .warpgroup(
          WarpgroupTile(columns: $0, precision: precision, stages: stages), precision,
          isEmulated: true)
      }, units: 132, always: always)
  }

  /// Emulated warpgroups for every product, beside emulated warps for what they do not do.
  static func compute(_ precision: ProductPrecision, columns: [Int], stages: Int = 2) throws
    -> (Compute, GPUBackend)
  {
    let backend = GPUBackend(
      kernels: [.tensor(GPUBackendTests.tensorTiles[0], precision, emulation: .early)],
      units: 2, warpgroups: choice(precision, columns: columns, stages: stages))
    return (
      try Compute(device: .find(.best), backend: backend, vectorWidth: 4), backend
    )
  }

  // MARK: Packing

  private static func tf32(_ x: Float) -> UInt32 {
    x.isNaN ? 0x7fff_e000 : x.isInfinite ? x.bitPattern : (x.bitPattern + 0x1000) & 0xffff_e000
  }

  private static func bf16(_ x: Float) -> UInt32 {
    x.isNaN ? 0x7fff : (x.bitPattern + 0x7fff + (x.bitPattern >> 16 & 1)) >> 16
  }

  /// The words of one replica, by packed.cl's words.
  private static func packed(
    _ precision: ProductPrecision, rows: Int, depth: Int, _ x: (Int, Int) -> Float
  ) -> [UInt32] {
    let wide = PackedOperand.depth(precision)
    let (rowBlocks, depthBlocks) = ((rows + 127) / 128, (depth + wide - 1) / wide)
    let parts = PackedOperand.parts(precision)
    var words = [UInt32](repeating: 0, count: rowBlocks * depthBlocks * parts * 4096)
    for row in 0..<rows {
      for k in 0..<depth {
        let block = (row / 128 * depthBlocks + k / wide) * parts * 4096
        let (own, byte) = (row % 128, k % wide * (precision == .bf16 ? 2 : 4))
        let at = block + own * 32 + (byte / 16 ^ own % 8) * 4 + byte % 16 / 4
        if precision == .bf16 {
          words[at] |= bf16(x(row, k)) << (k % 2 * 16)
        } else {
          words[at] = tf32(x(row, k))
          let big = Float(bitPattern: words[at])
          if parts == 2 { words[at + 4096] = tf32(big.isFinite ? x(row, k) - big : 0) }
        }
      }
    }
    return words
  }

  @Test(arguments: [ProductPrecision.tf32, .bf16, .tf32x3])
  func packedOperands_areThoseOfTheHost(precision: ProductPrecision) throws {
    let compute = try Compute(device: .find(.best), backend: .tiled)
    // Whole blocks; tails of every kind; one element.
    for (rows, depth) in [
      (128, 64), (256, 128), (132, 68), (131, 67), (300, 200), (1, 1), (40, 33),
    ] {
      for replicas in [1, 2] {
        var values = Philox.values(replicas * rows * depth, seed: 1)
        // What rounding must not turn into something else.
        let special: [Float] = [.nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude]
        for (index, value) in special.enumerated() where index < values.count {
          values[values.count - 1 - index] = value
        }
        let layout = PackedOperand(rows: rows, depth: depth, precision: precision)
        for byRows in [true, false] {
          let x = try compute.tensor(
            values, replicas: replicas, rows: byRows ? rows : depth,
            columns: byRows ? depth : rows)
          let expected = (0..<replicas).flatMap { replica in
            Self.packed(precision, rows: rows, depth: depth) { row, k in
              values[replica * rows * depth + (byRows ? row * depth + k : k * rows + row)]
            }
          }
          for isAligned in [true, false] where !isAligned || x.columns % 4 == 0 {
            let guarded = 64
            let result = try Tensor(
              replicas: replicas, rows: layout.blocks, columns: PackedOperand.blockFloats,
              guarded: guarded, pool: compute.pool)
            let sentinel = [Float](repeating: -77, count: result.count + guarded)
            try result.buffer.write(sentinel, queue: compute.queue)
            let kernel: Kernel<Buffer<Float>, Buffer<Float>, UInt32, UInt32> = try compute.load(
              layout.program(isAligned: isAligned), byRows ? "pack_rows" : "pack_columns")
            try kernel(
              compute.queue, global: [layout.packingItems, replicas], local: [256, 1], x.buffer,
              result.buffer, UInt32(rows), UInt32(depth))
            let got = try compute.read(result)
            #expect(
              got.dropLast(guarded).map(\.bitPattern) == expected
                && got.suffix(guarded).allSatisfy { $0 == -77 },
              "\(rows)×\(depth), \(replicas) replicas, rows \(byRows), aligned \(isAligned)")
          }
        }
      }
    }
  }

  @Test func packedOperand_hasWholeBlocks() {
    let operand = PackedOperand(rows: 129, depth: 65, precision: .bf16)
    #expect(operand.blocks == 4 && operand.packingItems == 2 * 4 * 2 * 256)
    #expect(PackedOperand(rows: 128, depth: 32, precision: .tf32).blocks == 1)
    #expect(PackedOperand(rows: 128, depth: 33, precision: .tf32x3).blocks == 4)
    #expect(PackedOperand.blockFloats == 4096)
  }

  // MARK: The kernel

  /// Every transpose mode with whole tiles and tails, aligned and not, and Adam's update.
  @Test(arguments: [
    (ProductPrecision.bf16, [256]), (.tf32, [128]), (.tf32x3, [128]),
  ]) func emulatedWarpgroups_passTheTrial(
    precision: ProductPrecision, columns: [Int]
  ) throws {
    let (compute, backend) = try Self.compute(precision, columns: columns)
    try backend.tryAll(compute: compute)
    #expect(backend.rejected.isEmpty, "\(backend.rejected)")
    #expect(backend.warpgroups.kernels.count == columns.count)
  }

  /// Sizes below a tile and beyond several, replicas that share an operand, a factor.
  @Test func emulatedWarpgroups_matchDoubleLoops() throws {
    let (compute, backend) = try Self.compute(.tf32x3, columns: [128])
    defer { #expect(backend.rejected.isEmpty, "\(backend.rejected)") }
    for mode in TransposeMode.allCases {
      for (m, n, k, replicasA, replicasB) in [
        (1, 1, 1, 1, 1), (5, 130, 40, 2, 1), (130, 7, 33, 1, 3), (1100, 150, 20, 1, 1),
      ] {
        let a = Philox.values(replicasA * m * k, seed: 1)
        let b = Philox.values(replicasB * k * n, seed: 2)
        let product = try compute.product(
          mode,
          compute.tensor(
            a, replicas: replicasA, rows: mode == .tn ? k : m, columns: mode == .tn ? m : k),
          compute.tensor(
            b, replicas: replicasB, rows: mode == .nt ? n : k, columns: mode == .nt ? k : n),
          alpha: 0.5)
        let got = try compute.read(product).map { $0 * 2 }
        let count = max(replicasA, replicasB)
        let all = replicasA == count ? a : (0..<count).flatMap { _ in a }
        let error = ProductReference(mode: mode, m: m, n: n, k: k, replicasB: replicasB)
          .greatestError(got, a: all, b: b)
        #expect(
          error <= ProductPrecision.tf32x3.relativeBound(depth: k), "\(mode) \(m)×\(n)×\(k)")
      }
    }
  }

  /// A layer under every activation, those too long for the kernel among them, as by other kernels.
  @Test(arguments: Activation.allCases) func epilogues_areThoseOfOtherKernels(
    activation: Activation
  ) throws {
    let (own, backend) = try Self.compute(.tf32x3, columns: [128])
    defer { #expect(backend.rejected.isEmpty, "\(backend.rejected)") }
    let other = try Compute(device: .find(.best), backend: .opencl)
    let (m, n, k) = (131, 137, 45)
    func results(_ compute: Compute) throws -> [[Float]] {
      let x = try compute.tensor(Philox.values(m * k, seed: 1), rows: m, columns: k)
      let w = try compute.tensor(Philox.values(n * k, seed: 2), rows: n, columns: k)
      let bias = try compute.tensor(Philox.values(n, seed: 3), rows: 1, columns: n)
      let (z, output) = try compute.layer(
        x, weight: w, bias: bias, alpha: 0.5, activation: activation)
      let back = try compute.passBack(
        z, weight: w, alpha: 2, through: ActivationDerivative(of: activation, at: x))
      return try [compute.read(z), compute.read(output), compute.read(back)]
    }
    for (got, expected) in zip(try results(own), try results(other)) {
      #expect(got.count == expected.count)
      #expect(zip(got, expected).allSatisfy { abs($0 - $1) <= 1e-4 * (1 + abs($1)) })
    }
  }

  /// NaN behind the operands must not come in, and nothing be written behind the result.
  @Test func product_staysWithinItsTensors() throws {
    let (compute, backend) = try Self.compute(.bf16, columns: [128])
    defer { #expect(backend.rejected.isEmpty, "\(backend.rejected)") }
    let guarded = 64
    func tensor(_ rows: Int, _ columns: Int, _ fill: Float) throws -> Tensor {
      let tensor = try Tensor(
        replicas: 2, rows: rows, columns: columns, guarded: guarded, pool: compute.pool)
      try tensor.buffer.write(
        [Float](repeating: 1, count: tensor.count) + [Float](repeating: fill, count: guarded),
        queue: compute.queue)
      return tensor
    }
    for mode in TransposeMode.allCases {
      for (m, n, k) in [(128, 128, 64), (129, 131, 65), (3, 5, 7)] {
        let c = try tensor(m, n, -77)
        try compute.enqueue(
          MatrixProduct(
            mode, tensor(mode == .tn ? k : m, mode == .tn ? m : k, .nan),
            tensor(mode == .nt ? n : k, mode == .nt ? k : n, .nan), alpha: 1, into: c))
        let got = try compute.read(c)
        #expect(
          got.dropLast(guarded).allSatisfy { $0 == Float(k) }
            && got.suffix(guarded).allSatisfy { $0 == -77 }, "\(mode) \(m)×\(n)×\(k)")
      }
    }
  }

  /// A replica that has diverged stays what it is, and its neighbour is updated.
  @Test func frozenReplica_isNotUpdated() throws {
    let (compute, backend) = try Self.compute(.tf32, columns: [256, 128])
    defer { #expect(backend.rejected.isEmpty, "\(backend.rejected)") }
    let (m, n, k) = (5, 6, 300)
    let weight = try compute.filled(1, replicas: 2, rows: m, columns: n)
    let update = try WeightUpdate(
      RuleNumbers(.gradientDescent, replicas: 2, compute: compute),
      rates: UpdateRates(
        learningRate: [1, 1], epsilon: [0, 0], coupledDecay: [0, 0], decoupledDecay: [0, 0],
        compute: compute), active: compute.tensor([0, 1], replicas: 2, rows: 1, columns: 1))
    let delta = try compute.tensor(
      [Float](repeating: .nan, count: k * m) + [Float](repeating: 1, count: k * m), replicas: 2,
      rows: k, columns: m)
    _ = try compute.apply(
      update, to: weight, delta: delta, input: compute.filled(1, replicas: 2, rows: k, columns: n),
      scale: 1)
    let got = try compute.read(weight)
    #expect(got.prefix(m * n).allSatisfy { $0 == 1 })
    #expect(got.suffix(m * n).allSatisfy { $0 == 1 - Float(k) })
  }

  /// The sums' order is that of k, whatever the tile's width.
  @Test func tile_decidesNoBit() throws {
    let (m, n, k) = (140, 290, 130)
    let (a, b) = (Philox.values(m * k, seed: 1), Philox.values(k * n, seed: 2))
    let results = try [[128], [256]].map { columns in
      let (compute, backend) = try Self.compute(.bf16, columns: columns)
      defer { #expect(backend.rejected.isEmpty, "\(backend.rejected)") }
      return try compute.read(
        compute.product(
          .nn, compute.tensor(a, rows: m, columns: k), compute.tensor(b, rows: k, columns: n)))
    }
    #expect(results[0] == results[1])
  }

  /// Warpgroups whose kernel does not compile give way to warps, and are named.
  @Test func kernelThatDoesNotCompile_givesWay() throws {
    let (compute, backend) = try Self.compute(.bf16, columns: [64])
    let ones = try compute.filled(1, rows: 64, columns: 64)
    #expect(try compute.read(compute.product(.nn, ones, ones)).allSatisfy { $0 == 64 })
    #expect(backend.rejected.map { $0.tile.columns } == [64])
    #expect(backend.warpgroups.kernels.isEmpty)
  }

  // MARK: Choice

  /// Large products take them, and those that are small, flat or bound by memory do not.
  @Test(arguments: [ProductPrecision.tf32, .bf16, .tf32x3])
  func warpgroups_areForLargeProducts(precision: ProductPrecision) {
    let choice = Self.choice(
      precision, columns: WarpgroupTile.defaults(precision).map(\.columns), always: false)
    func columns(_ m: Int, _ n: Int, _ k: Int, _ replicas: Int = 1) -> Int? {
      choice.choice(m: m, n: n, k: k, replicasA: replicas, replicasB: replicas)?.kernel.tile.columns
    }
    let large = precision == .tf32x3 ? 128 : 256
    #expect(columns(4096, 4096, 4096) == large)
    #expect(columns(512, 4096, 4096) == 128)
    #expect(columns(1024, 1024, 1024) == 128)
    #expect(columns(1027, 901, 1030, 2) != nil)
    #expect(columns(4096, 4096, 512) != nil)
    #expect(columns(512, 512, 512, 32) != nil)
    for (m, n, k) in [(64, 4096, 4096), (4096, 4096, 64), (4096, 10, 4096), (256, 256, 256)] {
      #expect(columns(m, n, k) == nil, "\(m)×\(n)×\(k)")
    }
    #expect(columns(64, 256, 256, 32) == nil)
    // An update's state has no room beside large tiles.
    #expect(
      choice.choice(
        m: 4096, n: 4096, k: 4096, replicasA: 1, replicasB: 1, ending: .update(.adam))?.kernel.tile
        .columns == 128)
  }

  /// Other devices keep what they had.
  @Test(.enabled(if: try Device.find(.best).computeCapability?.major != 9))
  func devicesWithoutThem_haveNone() throws {
    let device = try Device.find(.best)
    for precision in ProductPrecision.allCases {
      #expect(WarpgroupChoice(device: device, precision: precision).kernels.isEmpty)
    }
  }

  @Test func tiles_fitAnH100() {
    for precision in [ProductPrecision.tf32, .bf16, .tf32x3] {
      let tiles = WarpgroupTile.defaults(precision)
      #expect(tiles.map(\.columns) == (precision == .tf32x3 ? [128] : [256, 128]))
      #expect(tiles.allSatisfy { $0.isWhole && $0.localBytes <= 227 << 10 && $0.stages >= 3 })
    }
  }

  // MARK: Instructions

  static let ptx = """
    //
    // Generated by NVIDIA NVVM Compiler
    //
    .version 9.0
    .target sm_90, texmode_independent
    .address_size 64
    .entry multiply( .param .u64 .ptr .global .align 4 multiply_param_0 )
    {
    \t// begin inline asm
    \t//@wgmma.fence.sync.aligned;

    \t// end inline asm
    \t// begin inline asm
    \t{
    .reg .b64 a, b;
    add.s64 a, %rd1, 0;
    //@wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {sum000, sum001}, a, b, 1, 1, 1, 0, 0;
    }
    \t// end inline asm
    \tret;
    }
    """

  @Test func heldBackInstructions_arePutIn() throws {
    let text = try HeldBackInstructions.put(into: Self.ptx)
    let expected = Self.ptx.replacing("//@", with: "")
      .replacing(".target sm_90,", with: ".target sm_90a,")
    #expect(text == expected)
    #expect(text.contains("\n.target sm_90a, texmode_independent\n"))
    #expect(text.contains("\twgmma.fence.sync.aligned;\n") && text.contains("// begin inline asm"))
    let later = Self.ptx.replacing("sm_90,", with: "sm_90a,")
    #expect(try HeldBackInstructions.put(into: later) == expected)
  }

  @Test func textWithoutHeldBackInstructions_isRefused() {
    for (text, reason) in [
      (Self.ptx.replacing("//@", with: "// "), "without comments"),
      (Self.ptx.replacing("sm_90,", with: "sm_80,"), "sm_80"),
      ("\u{7f}ELF", "no PTX"), ("", "no PTX"),
    ] {
      let error = #expect(throws: HeldBackError.self) { try HeldBackInstructions.put(into: text) }
      #expect(error?.description.contains(reason) == true)
    }
  }

  /// The kernels' text holds back every instruction of wgmma, and is a program of its own.
  @Test func kernel_isBuiltWithInstructionsHeldBack() {
    let kernel = GPUProductKernel.warpgroup(WarpgroupTile(columns: 256, precision: .bf16), .bf16)
    let variants = TransposeMode.allCases.map { mode in
      kernel.program(
        ProductVariant(mode, isAligned: true, ending: .plain), platform: Device.nvidiaPlatform)
    }
    #expect(Set(variants).count == 1 && variants[0].holdsBackInstructions)
    #expect(variants[0].options.isEmpty && variants[0].definitions["EMULATED"] == nil)
    let others = TensorTile.defaults.map { GPUProductKernel.tensor($0, .bf16) }
    #expect(
      others.allSatisfy {
        !$0.program(
          ProductVariant(.nn, isAligned: true, ending: .plain), platform: Device.nvidiaPlatform
        ).holdsBackInstructions
      })
  }
}
