import CCLBlast
import COpenCL
import OpenCL

/// A CLBlast routine's failure.
public struct CLBlastError: Error, CustomStringConvertible {
  let code: Int32
  let product: String

  /// The routine, the status code and the product's shape.
  public var description: String {
    "CLBlastSgemmStridedBatched failed with status \(code) for \(product)"
  }
}

/// Matrix products by CLBlast's strided-batched GEMM, on any device.
public struct CLBlastMultiplier: MatrixMultiplier {
  /// `clblast`.
  public let name = "clblast"

  /// Enqueues the product.
  ///
  /// - Throws: `CLBlastError`.
  public func multiply(_ product: MatrixProduct, queue: CommandQueue) throws {
    var handle: cl_command_queue? = queue.handle
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
