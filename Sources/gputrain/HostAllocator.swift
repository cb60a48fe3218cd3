import Foundation

/// The C library's allocator, as PoCL needs it.
enum HostAllocator {
  /// glibc's parameter M_MXFAST of malloc.h, which Swift's module of it leaves out.
  private static let largestKept: Int32 = 1

  /// Turns off what glibc keeps apart of small blocks that were given back (its fastbins): PoCL takes and gives
  /// back some ten blocks, small and large, at every launch of a kernel, and each large one first makes glibc go
  /// through all that is kept so. Before other threads begin; nothing where the C library has no `mallopt`.
  static func choose() {
    typealias SetParameter = @convention(c) (Int32, Int32) -> Int32
    guard let function = dlsym(dlopen(nil, RTLD_NOW), "mallopt") else { return }
    _ = unsafeBitCast(function, to: SetParameter.self)(largestKept, 0)
  }
}
