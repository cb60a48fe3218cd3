import CCLBlast
import COpenCL
import OpenCL

/// A CLBlast routine's failure.
public struct CLBlastError: Error, CustomStringConvertible {
  let code: Int32
  let product: String

  /// The routine, the status code and the product's shape.
  public var description: String {
    "CLBlastSgemmStridedBatched failed with \(Self.name(ofStatus: code)) for \(product)"
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
public struct CLBlastMultiplier: MatrixMultiplier {
  /// `clblast`.
  public let name = "clblast"

  /// Enqueues the product.
  ///
  /// - Throws: `CLBlastError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    var handle: cl_command_queue? = compute.queue.handle
    let transposeA = product.form == .tn ? CLBlastTransposeYes : CLBlastTransposeNo
    let transposeB = product.form == .nt ? CLBlastTransposeYes : CLBlastTransposeNo
    let status = CLBlastSgemmStridedBatched(
      CLBlastLayoutRowMajor, transposeA, transposeB, product.m, product.n, product.k,
      product.alpha, product.a.buffer.handle, 0, product.a.columns, product.strideA,
      product.b.buffer.handle, 0, product.b.columns, product.strideB, 0,
      product.c.buffer.handle, 0, product.n, product.c.stride, product.replicas, &handle, nil)
    guard status == CLBlastSuccess else {
      throw CLBlastError(
        code: Int32(status.rawValue),
        product: "\(product.form.rawValue) \(product.m)×\(product.n)×\(product.k)")
    }
  }
}
