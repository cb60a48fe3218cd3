import CCLBlast
import COpenCL
import OpenCL

/// A CLBlast routine's failure.
public struct CLBlastError: Error, CustomStringConvertible {
  let call: String
  /// OpenCL's status code, or one of CLBlast's own.
  public let code: Int32
  let subject: String

  /// The routine, the status code and what it was for: the product's shape, or the kernel.
  public var description: String {
    "\(call) failed with \(Self.name(ofStatus: code)) for \(subject)"
  }

  /// CLBlast passes OpenCL's codes on and adds its own (clblast_c.h).
  private static func name(ofStatus status: Int32) -> String {
    let own: [Int32: String] = [
      -1024: "CLBlastNotImplemented",
      -1022: "CLBlastInvalidMatrixA",
      -1021: "CLBlastInvalidMatrixB",
      -1020: "CLBlastInvalidMatrixC",
      -1017: "CLBlastInvalidDimension",
      -1016: "CLBlastInvalidLeadDimA",
      -1015: "CLBlastInvalidLeadDimB",
      -1014: "CLBlastInvalidLeadDimC",
      -1011: "CLBlastInsufficientMemoryA",
      -1010: "CLBlastInsufficientMemoryB",
      -1009: "CLBlastInsufficientMemoryC",
      -2050: "CLBlastInsufficientMemoryTemp",
      -2049: "CLBlastInvalidBatchCount",
      -2048: "CLBlastInvalidOverrideKernel",
      -2047: "CLBlastMissingOverrideParameter",
      -2046: "CLBlastInvalidLocalMemUsage",
      -2045: "CLBlastNoHalfPrecision",
      -2044: "CLBlastNoDoublePrecision",
      -2041: "CLBlastDatabaseError",
      -2040: "CLBlastUnknownError",
      -2039: "CLBlastUnexpectedError",
    ]
    return own[status].map { "\($0) (\(status))" } ?? OpenCLError.name(ofCode: status)
  }
}

/// Matrix products by CLBlast's strided-batched GEMM, on any device.
public struct CLBlastBackend: GEMMBackend {
  /// `clblast`.
  public let name = "clblast"
  /// Parameters of CLBlast's kernels.
  let settings: CLBlastSettings

  package init(settings: CLBlastSettings = .own) {
    self.settings = settings
  }

  /// A small and a large size: CLBlast has a kernel for each, and its database a border between.
  public func tryOut(_ modes: [TransposeMode], compute: Compute) throws {
    try tryOut(modes, size: 64, compute: compute)
    try tryOut(modes, size: 512, compute: compute)
  }

  /// Enqueues the product, as Cᵀ = op(B)ᵀ op(A)ᵀ in column-major order: CLBlast's kernels write C that
  /// way, and would transpose a row-major one in a pass of its own.
  ///
  /// - Throws: `CLBlastError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    if let recording = compute.queue.context.recording {
      // It may pad or transpose each operand, in memory of its own.
      let bytes = [product.a, product.b, product.c].reduce(0) { $0 + $1.buffer.byteCount }
      recording.needed(temporarily: bytes)
      return recording.launched(accessing: bytes)
    }
    compute.queue.interruptRecording()
    var handle: cl_command_queue? = compute.queue.handle
    let transposeA = product.mode == .tn ? CLBlastTransposeYes : CLBlastTransposeNo
    let transposeB = product.mode == .nt ? CLBlastTransposeYes : CLBlastTransposeNo
    let status = try settings.use(on: compute.queue.device) {
      CLBlastSgemmStridedBatched(
        CLBlastLayoutColMajor, transposeB, transposeA, product.n, product.m, product.k,
        product.alpha, product.b.buffer.handle, 0, product.b.columns, product.strideB,
        product.a.buffer.handle, 0, product.a.columns, product.strideA, 0,
        product.c.buffer.handle, 0, product.n, product.c.stride, product.replicas, &handle, nil)
    }
    guard status == CLBlastSuccess else {
      throw CLBlastError(
        call: "CLBlastSgemmStridedBatched", code: Int32(status.rawValue),
        subject: "\(product.mode.rawValue) \(product.m)×\(product.n)×\(product.k)")
    }
  }
}
