import COpenBLAS
import Dispatch
import OpenCL
import Synchronization

/// Matrix products by OpenBLAS as native kernels in the queue of a CPU device.
///
/// How a product is split over threads depends on its shape alone, never on how many replicas
/// train together, so that a replica's bits do not depend on its group.
public struct OpenBLASMultiplier: MatrixMultiplier {
  /// `openblas`.
  public let name = "openblas"
  private let threads: Int

  /// - threads: at most so many at once.
  init(threads: Int) {
    self.threads = threads
  }

  /// Multiply-adds from which OpenBLAS's own threads pay; below it replicas are spread instead.
  private static let threadedWork = 1 << 22
  /// OpenBLAS's thread count is one per process.
  private static let library = Mutex(())

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`.
  public func multiply(_ product: MatrixProduct, queue: CommandQueue) throws {
    let (m, n, k) = (product.m, product.n, product.k)
    let (form, alpha, replicas) = (product.form, product.alpha, product.replicas)
    let strides = (a: product.strideA, b: product.strideB, c: product.c.stride)
    let (lda, ldb) = (product.a.columns, product.b.columns)
    let threaded = m * n * k >= Self.threadedWork
    let threads = threads
    try queue.enqueueNative([product.a.buffer, product.b.buffer, product.c.buffer]) { memory in
      let addresses = memory.map(UInt.init(bitPattern:))
      let multiply: @Sendable (Int) -> Void = { replica in
        func matrix(_ index: Int, _ stride: Int) -> UnsafeMutablePointer<Float> {
          UnsafeMutablePointer<Float>(bitPattern: addresses[index])! + replica * stride
        }
        cblas_sgemm(
          CblasRowMajor, form == .tn ? CblasTrans : CblasNoTrans,
          form == .nt ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), alpha,
          matrix(0, strides.a), blasint(lda), matrix(1, strides.b), blasint(ldb), 0,
          matrix(2, strides.c), blasint(n))
      }
      Self.library.withLock { _ in
        openblas_set_num_threads(threaded ? Int32(threads) : 1)
        if threaded || replicas == 1 || threads == 1 {
          for replica in 0..<replicas { multiply(replica) }
        } else {
          DispatchQueue.concurrentPerform(iterations: replicas, execute: multiply)
        }
      }
    }
  }
}
