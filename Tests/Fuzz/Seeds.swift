import Foundation

@testable import Experiments
@testable import OpenCL
@testable import Tensors

/// Small valid files, a few for each reader.
enum Seeds {
  private static let values = raw((0..<12).map { Float($0) })

  static var safetensors: [[UInt8]] {
    [
      Fuzz.safetensors(
        #"{"__metadata__":{"a":"b"},\#(entry("w", "F32", [2, 4], 0, 32)),"#
          + "\(entry("v", "BF16", [2, 2, 2], 32, 48))}", values)
    ]
  }

  private static var pickled: [PickleFixture] {
    [
      .ordered([
        ("a", .tensor([3, 4], strides: [4, 1], count: 12)),
        (
          "b",
          .tensor([4, 2], strides: [1, 4], first: 2, type: "HalfStorage", key: "1", count: 12)
        ),
      ]),
      .dictionary([
        (
          "state_dict",
          .state(
            .ordered([("w", .tensor([2, 2], strides: [2, 1], count: 12))]),
            .dictionary([("_metadata", .list([.integer(1), .text("x")]))]))
        )
      ]),
    ]
  }

  static var pickles: [[UInt8]] { pickled.map(\.pickle) }

  static var torch: [[UInt8]] {
    pickled.map { torchFile($0, storages: ["0": values, "1": Array(values.prefix(24))]) }
  }

  static var npy: [[UInt8]] {
    [
      Fuzz.npy("<f4", [3, 4], values),
      Fuzz.npy("<f8", [3, 2], raw((0..<6).map { Double($0) }), fortranOrder: true),
      Fuzz.npy("|u1", [3, 2, 2], Array(0..<12), version: 2),
      Fuzz.npy(">i2", [3, 1], Array(0..<6)),
    ]
  }

  static var npz: [[UInt8]] {
    [
      zip([ZipFixture("a.npy", npy[0]), ZipFixture("b.npy", npy[1])]),
      zip([ZipFixture(deflated: "a.npy", npy[0]), ZipFixture("b.txt", [1])], wide: true),
    ]
  }

  static var shards: [[UInt8]] {
    [
      Array(
        #"{"metadata":{"total_size":80},"weight_map":{"w":"a.safetensors","v":"a.safetensors"}}"#
          .utf8),
      Array(#"{"weight_map":{"a":"b.bin"},"x":[1,-2.5e3,true,null,"é\u00e9\ud83d\ude00"]}"#.utf8),
    ]
  }

  // MARK: Rows

  static var csv: [[UInt8]] {
    [
      "x,y,label\n1,2,a\n3,4,b\n5,6.5,a\n", ",a,b,target\n0,1,2,0\n1,1,3,1\n2,2,2,1\n",
      "1;2,5;0\n3;4,5;1\n\"6\";7,25;1\n", "# x y class\n1 2 0\n3 4 1\n1e3 -4 0\n",
      "\u{FEFF}a\tb\tc\r\n1\t2\tx\r\n3\t4\ty\r\n", "price,size\n1.5,2\n\"1,000\",3\nNA,4\n",
    ].map { Array($0.utf8) }
  }

  static var idxImages: [[UInt8]] {
    [
      idx(sizes: [4, 2, 2], values: Array(0..<16)),
      idx(type: 0x0D, sizes: [4, 2], values: [UInt8](repeating: 63, count: 32)),
    ]
  }

  static var idxLabels: [[UInt8]] {
    [
      idx(sizes: [4], values: [0, 1, 2, 1]),
      idx(type: 0x0C, sizes: [4], values: [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]),
    ]
  }

  static var cifar: [[UInt8]] {
    [
      (0..<2).flatMap { [UInt8($0)] + [UInt8](repeating: 7, count: 3072) },
      (0..<2).flatMap { [3, UInt8($0)] + [UInt8](repeating: 9, count: 3072) },
    ]
  }

  static var npyLabels: [[UInt8]] {
    [
      Fuzz.npy("<i8", [3], raw([0, 1, 1])),
      Fuzz.npy("<f4", [3, 2], raw([0, 1, 1, 0, 0, 1] as [Float])),
      Fuzz.npy("|b1", [3], [0, 1, 1]), Fuzz.npy("<u4", [3, 1], raw([5, 6, 5] as [UInt32])),
    ]
  }

  static var npzRows: [[UInt8]] {
    [
      zip([ZipFixture("x.npy", npy[0]), ZipFixture("y.npy", npyLabels[0])]),
      zip([
        ZipFixture(deflated: "x_train.npy", npy[0]), ZipFixture("y_train.npy", npyLabels[3]),
        ZipFixture("x_test.npy", npy[0]), ZipFixture("y_test.npy", npyLabels[3]),
      ]),
    ]
  }

  // MARK: Tokens

  static var text: [[UInt8]] {
    ["Once upon a time.\nThe end.\n", "äöü 👍\r\n\u{FEFF}x"].map { Array($0.utf8) }
      + [[0xFF, 0xFE] + raw(Array("Once upon".utf16))]
  }

  /// A stored block of deflate in gzip's envelope: RFC 1952.
  static var gzip: [[UInt8]] {
    text.map { text in
      [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + ZipFixture(deflated: "", text).stored
        + raw([crc(text), UInt32(text.count)])
    }
  }

  static var tokens: [[UInt8]] {
    let header = raw([20_240_520, 1, 6] as [UInt32]) + [UInt8](repeating: 0, count: 1012)
    let wide = raw([20_240_801, 7, 6] as [UInt32]) + [UInt8](repeating: 0, count: 1012)
    return [
      raw([1, 2, 3, 50256, 5, 1] as [UInt16]), header + raw([1, 2, 3, 50256, 5, 1] as [UInt16]),
      wide + raw([1, 2, 3, 128_000, 5, 1] as [UInt32]),
    ]
  }

  static var tokenArrays: [[UInt8]] {
    [
      Fuzz.npy("<u2", [6], raw([1, 2, 3, 50256, 5, 1] as [UInt16])),
      Fuzz.npy("<i8", [6], raw([1, 2, 3, 50256, 5, 1])),
    ]
  }

  // MARK: Stores

  static func claim() throws -> Data {
    try Claim(
      program: "commit 0", holder: .current, device: "cpu", since: Date(), beat: .seconds(1)
    )
    .content()
  }

  // MARK: Settings and tables

  static var settings: [[UInt8]] {
    [
      """
      widths: [64, 128]
      log2-lr: {start: -9, stop: -5, count: 5}
      seeds: 1,2
      parametrization: [mup, mine]
      optimizer: adam
      lr-multiplier: {layers.0: 2, readout: 0.5}
      steps: 100
      depth: 3
      weight-decay: 0.1:independent
      parametrizations:
        mine: {family: adam, hidden: {sigma: {multiplier: 1, fan-in: -0.5}, learning-rate: 1}}

      """,
      """
      scale: depth=2,4,8
      tune: momentum=0.5,0.9
      widths: [64]
      log2-lr: -6
      optimizer: momentum
      network: residual-mlp
      epochs: 2
      schedule: cosine
      warmup: 0.1
      evaluate-every: 1ep
      out: "runs/a"
      pictures: svg

      """,
      """
      network: transformer
      context: 16
      heads: 2
      widths: 32
      data: null
      batch-size: 4
      clip-norm: 1
      validation-fraction: 0.2

      """,
    ].map { Array($0.utf8) }
  }

  static var parametrizations: [[UInt8]] {
    [
      """
      parametrizations:
        mine:
          family: adam
          base-width: 128
          hidden:
            sigma: {multiplier: 1, fan-in: -0.5}
            learning-rate: {fan-in: -1}
            epsilon: {fan-out: -1}
            weight-decay: {fan-in: 1}
          readout: {sigma: 0, learning-rate: 1e-3}
        &a other: {bias: {sigma: 0}}

      """
    ].map { Array($0.utf8) }
  }

  static var resultsTables: [Data] {
    let curves = [64, 128, 256].flatMap { width in
      (-9 ... -5).flatMap { rate in
        [1, 2].map { seed in
          "\(width),\(rate),\(seed),\(0.5 + 0.01 * Double((rate + 7) * (rate + 7)) + 0.001 * Double(seed))"
        }
      }
    }
    return [
      "width,log2_lr,seed,loss\n" + curves.joined(separator: "\n") + "\n",
      "d_model,lr,val_loss\n64,0.01,1.5\n64,0.02,1.25\n128,0.01,1.2\n128,0.02,nan\n",
      "width,best_lr\n64,0.01\n128,0.008\n256,0.005\n",
      "name,depth,lr,method,step,loss\na,2,1e-3,x,1,3\na,2,1e-3,x,2,2\nb,4,1e-3,x,2,1\nb,4,2e-3,x,2,1\n",
    ].map { Data($0.utf8) }
  }

  // MARK: What the program keeps for itself

  static var tuning: [[UInt8]] {
    let tuning = DeviceTuning(
      key: DeviceTuning.Key(platform: "p", vendor: "v", device: "d", driver: "1"),
      date: "2026-01-01T00:00:00Z",
      kernels: [
        DeviceTuning.Kernel(
          family: "clblast/Xgemm", shapeClass: "large", parameters: ["MWG": 64, "NWG": 32],
          before: 2, after: 1)
      ])
    return [(try? tuning.json()).map { [UInt8]($0) } ?? []]
  }

  static let programKey = Data("source\0options\0device".utf8)

  /// An entry as the cache writes it.
  static func programs() throws -> [Data] {
    let folder = try TemporaryFolder()
    ProgramCache(directory: URL(fileURLWithPath: folder.path)).keep(
      Data("binary".utf8), for: programKey)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
      try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\($0)"))
    }
  }

  /// A file, and the body of one of its records.
  static func events() throws -> [Data] {
    let file = try EventFile.bytes(
      [EventFile.Scalars(step: 1, time: 0, values: ["a": 1])], start: 0)
    return [
      file, file.suffix(from: 12 + Int([UInt8](file).unsigned(at: 0, width: 8)) + 16).dropLast(4),
    ]
  }

  static var controlGroups: [Data] {
    ["0::/a/b\n", "4:cpu,cpuacct:/../c\n3:memory:/\n", "200000 100000\n", "max 100000\n", "1024\n"]
      .map { Data($0.utf8) }
  }
}
