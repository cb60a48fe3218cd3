import COpenBLAS
import Dispatch
import OpenCL

/// Matrix products by OpenBLAS as native kernels in the queue of a CPU device.
///
/// Large products are cut into blocks of C, each computed by one thread; blocks and replicas share
/// the cores. How a product is cut depends on its shape alone, so that a replica's bits depend
/// neither on its group nor on the number of cores.
public struct OpenBLASBackend: GEMMBackend {
  /// `openblas`.
  public let name = "openblas"

  /// Multiply-adds of a block: some tens of microseconds, so that waking a thread pays.
  private static let blockWork = 1 << 22
  /// OpenBLAS's own threads stay off: its thread count is one per process.
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    Self.singleThreaded
    let (m, n, k) = (product.m, product.n, product.k)
    let (mode, alpha, replicas) = (product.mode, product.alpha, product.replicas)
    let strides = (a: product.strideA, b: product.strideB, c: product.c.stride)
    let (lda, ldb) = (product.a.columns, product.b.columns)
    let blocks = Self.blocks(m: m, n: n, k: k)
    try compute.queue.enqueueNative([product.a.buffer, product.b.buffer, product.c.buffer]) {
      memory in
      let addresses = memory.map(UInt.init(bitPattern:))
      let multiply: @Sendable (Int) -> Void = { task in
        let replica = task / blocks.count
        let block = blocks[task % blocks.count]
        func matrix(_ index: Int, _ offset: Int) -> UnsafeMutablePointer<Float> {
          UnsafeMutablePointer<Float>(bitPattern: addresses[index])! + offset
        }
        let (row, column) = (block.rows.lowerBound, block.columns.lowerBound)
        cblas_sgemm(
          CblasRowMajor, mode == .tn ? CblasTrans : CblasNoTrans,
          mode == .nt ? CblasTrans : CblasNoTrans, blasint(block.rows.count),
          blasint(block.columns.count), blasint(k), alpha,
          matrix(0, replica * strides.a + (mode == .tn ? row : row * lda)), blasint(lda),
          matrix(1, replica * strides.b + (mode == .nt ? column * ldb : column)), blasint(ldb),
          0, matrix(2, replica * strides.c + row * n + column), blasint(n))
      }
      if replicas * blocks.count == 1 {
        multiply(0)
      } else {
        DispatchQueue.concurrentPerform(iterations: replicas * blocks.count, execute: multiply)
      }
    }
  }

  /// A block of C.
  private struct Block: Sendable {
    let rows: Range<Int>
    let columns: Range<Int>
  }

  /// C cut along its longer side into blocks of about `blockWork`, each a multiple of 64 long.
  private static func blocks(m: Int, n: Int, k: Int) -> [Block] {
    let count = max(1, m * n * k / blockWork)
    let side = max(m, n)
    let length = ((side + count - 1) / count + 63) / 64 * 64
    return stride(from: 0, to: side, by: length).map { start in
      let part = start..<min(start + length, side)
      return m >= n ? Block(rows: part, columns: 0..<n) : Block(rows: 0..<m, columns: part)
    }
  }
}
