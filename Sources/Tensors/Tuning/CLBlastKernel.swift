import CLBlastParameters
import OpenCL

/// The kernels of CLBlast's strided-batched GEMM whose parameters can be set.
///
/// Small products go to one kernel that takes operands as they lie (`direct`); larger ones to a
/// faster one (`indirect`) on operands that are padded or transposed before. CLBlast holds one set of
/// parameters for each kernel and device, whatever the product.
package enum CLBlastKernel: String, CaseIterable, Sendable {
  case indirect = "Xgemm"
  case direct = "XgemmDirect"
  case pad = "Pad"
  case transpose = "Padtranspose"
  /// The size from which products go to the indirect kernel: m·n·k ≥ size³.
  case routine = "GemmRoutine"

  /// The one parameter of `routine`.
  package static let switchPoint = "XGEMM_MIN_INDIRECT_SIZE"

  /// As tunings name it.
  package var family: String { "clblast/\(rawValue)" }

  /// The products that the kernel is for.
  package var shapeClass: String {
    switch self {
    case .direct: "small"
    case .indirect, .pad, .transpose: "large"
    case .routine: "all"
    }
  }

  /// The values that are worth trying, as CLBlast's own tuners have them.
  ///
  /// Source: CLBlast 1.5.3, src/tuning/kernels.
  package var values: [String: [Int]] {
    switch self {
    case .indirect:
      [
        "GEMMK": [0], "KREG": [1], "MWG": [32, 64, 128], "NWG": [32, 64, 128], "KWG": [16, 32],
        "MDIMC": [8, 16, 32], "NDIMC": [8, 16, 32], "MDIMA": [8, 16, 32], "NDIMB": [8, 16, 32],
        "KWI": [2, 8], "VWM": [1, 2, 4, 8], "VWN": [1, 2, 4, 8], "STRM": [0, 1], "STRN": [0, 1],
        "SA": [0, 1], "SB": [0, 1],
      ]
    case .direct:
      [
        "WGD": [8, 16, 32, 64], "MDIMCD": [8, 16, 32], "NDIMCD": [8, 16, 32],
        "MDIMAD": [8, 16, 32], "NDIMBD": [8, 16, 32], "KWID": [2, 8, 16], "VWMD": [1, 2, 4, 8],
        "VWND": [1, 2, 4, 8], "PADA": [0, 1], "PADB": [0, 1],
      ]
    case .pad:
      [
        "PAD_DIMX": [8, 16, 32], "PAD_DIMY": [8, 16, 32], "PAD_WPTX": [1, 2, 4],
        "PAD_WPTY": [1, 2, 4],
      ]
    case .transpose:
      ["PADTRA_PAD": [0, 1], "PADTRA_TILE": [8, 16, 32], "PADTRA_WPT": [1, 2, 4, 8]]
    case .routine:
      [Self.switchPoint: []]
    }
  }

  /// Parameters that are known to be good on GPUs of today, to be tried first.
  package var known: [[String: Int]] {
    let tile = [
      "GEMMK": 0, "KREG": 1, "MWG": 128, "NWG": 128, "KWG": 16, "MDIMC": 8, "NDIMC": 16,
      "MDIMA": 8, "NDIMB": 16, "KWI": 2, "VWM": 4, "VWN": 1, "STRM": 0, "STRN": 0, "SA": 1,
      "SB": 1,
    ]
    func with(_ changes: [String: Int]) -> [String: Int] { tile.merging(changes) { $1 } }
    return switch self {
    case .indirect:
      [
        tile, with(["MDIMC": 16, "MDIMA": 16, "VWN": 4]),
        with(["MDIMC": 16, "MDIMA": 32, "VWN": 2]),
        with(["MWG": 64, "NWG": 64, "VWM": 2, "VWN": 2, "NDIMC": 8, "NDIMB": 8]),
      ]
    case .direct:
      [
        [
          "WGD": 32, "MDIMCD": 8, "NDIMCD": 16, "MDIMAD": 8, "NDIMBD": 16, "KWID": 2, "VWMD": 4,
          "VWND": 2, "PADA": 1, "PADB": 1,
        ],
        [
          "WGD": 64, "MDIMCD": 16, "NDIMCD": 16, "MDIMAD": 16, "NDIMBD": 16, "KWID": 2, "VWMD": 4,
          "VWND": 4, "PADA": 1, "PADB": 1,
        ],
        [
          "WGD": 32, "MDIMCD": 16, "NDIMCD": 16, "MDIMAD": 16, "NDIMBD": 16, "KWID": 2, "VWMD": 2,
          "VWND": 2, "PADA": 1, "PADB": 1,
        ],
      ]
    case .pad: [["PAD_DIMX": 32, "PAD_DIMY": 8, "PAD_WPTX": 2, "PAD_WPTY": 1]]
    case .transpose: [["PADTRA_PAD": 1, "PADTRA_TILE": 32, "PADTRA_WPT": 1]]
    case .routine: []
    }
  }

  /// Whether the kernel is right and can run with these parameters; what they lack, or have too many
  /// of, makes them wrong too.
  ///
  /// - limits: of the device.
  package func accepts(_ parameters: [String: Int], on limits: KernelLimits) -> Bool {
    let (workGroup, localMemory) = (limits.workGroup, limits.localMemory)
    guard Set(parameters.keys) == Set(values.keys) else { return false }
    func p(_ name: String) -> Int { parameters[name]! }
    func divides(_ factors: Int..., of product: Int) -> Bool {
      let divisor = factors.reduce(1, *)
      return divisor > 0 && product > 0 && product.isMultiple(of: divisor)
    }
    let sizes = parameters.filter { !Self.mayBeZero.contains($0.key) }
    // Bounded before they are multiplied.
    guard sizes.values.allSatisfy({ (1...1024).contains($0) }) || self == .routine else {
      return false
    }
    switch self {
    case .indirect:
      let threads = p("MDIMC") * p("NDIMC")
      guard p("GEMMK") == 0, p("KREG") == 1, threads <= workGroup,
        divides(p("KWI"), of: p("KWG")),
        divides(p("MDIMC"), p("VWM"), of: p("MWG")), divides(p("MDIMA"), p("VWM"), of: p("MWG")),
        divides(p("NDIMC"), p("VWN"), of: p("NWG")), divides(p("NDIMB"), p("VWN"), of: p("NWG")),
        divides(p("MDIMA"), of: threads), divides(threads / p("MDIMA"), of: p("KWG")),
        divides(p("NDIMB"), of: threads), divides(threads / p("NDIMB"), of: p("KWG"))
      else { return false }
      let local = p("KWG") * (p("SA") * p("MWG") + p("SB") * p("NWG"))
      // Sums of one work-item: what does not fit registers is slow, and slow to compile.
      return local * 4 <= localMemory && p("MWG") * p("NWG") / threads <= 256
    case .direct:
      let threads = p("MDIMCD") * p("NDIMCD")
      guard threads <= workGroup, divides(p("KWID"), of: p("WGD")),
        divides(p("MDIMCD"), p("VWMD"), of: p("WGD")),
        divides(p("NDIMCD"), p("VWND"), of: p("WGD")),
        divides(p("MDIMAD"), p("VWMD"), of: p("WGD")),
        divides(p("NDIMBD"), p("VWND"), of: p("WGD")),
        divides(p("MDIMAD"), of: threads), divides(threads / p("MDIMAD"), of: p("WGD")),
        divides(p("NDIMBD"), of: threads), divides(threads / p("NDIMBD"), of: p("WGD"))
      else { return false }
      return p("WGD") * (2 * p("WGD") + p("PADA") + p("PADB")) * 4 <= localMemory
    case .pad:
      return p("PAD_DIMX") * p("PAD_DIMY") <= workGroup
    case .transpose:
      let (side, tile) = (p("PADTRA_TILE") * p("PADTRA_WPT"), p("PADTRA_TILE"))
      return tile * tile <= workGroup && side * (side + p("PADTRA_PAD")) * 4 <= localMemory
    case .routine:
      return (0...1 << 20).contains(p(Self.switchPoint))
    }
  }

  private static let mayBeZero: Set<String> = [
    "GEMMK", "STRM", "STRN", "SA", "SB", "PADA", "PADB", "PADTRA_PAD", switchPoint,
  ]

  /// The parameters in force on `device`.
  ///
  /// - Throws: `CLBlastError`.
  func parametersInForce(on device: Device) throws -> [String: Int] {
    var parameters: [String: Int] = [:]
    let status = withUnsafeMutablePointer(to: &parameters) { context in
      gputrain_clblast_parameters(device.id, rawValue, context) { context, name, value in
        let parameters = context!.assumingMemoryBound(to: [String: Int].self)
        parameters.pointee[String(cString: name!)] = Int(value)
      }
    }
    guard status == 0 else {
      throw CLBlastError(call: "RetrieveParameters", code: status, subject: rawValue)
    }
    return parameters
  }
}
