import OpenCL

/// Custom OpenCL C for `Compute.kernel(_:_:_:)`.
///
/// The macro `WIDTH` is the number of floats that one work-item handles best at a time: a CPU's
/// native vector, four on GPUs. Language version: OpenCL C 1.2.
public struct KernelFile: Hashable, Sendable {
  /// The name in compilers' messages.
  public let name: String
  /// The program's text.
  public let source: String

  /// A file of kernels.
  public init(name: String, source: String) {
    self.name = name
    self.source = source
  }
}

/// A kernel among those that are loaded.
struct KernelKey: Hashable {
  /// The text that it is in.
  enum Source: Hashable {
    /// One of the package's own programs.
    case package(ProgramKey)
    /// A custom file.
    case file(KernelFile)
  }

  let source: Source
  let name: String

  /// By the name alone, which few kernels share: keys are looked up at every launch.
  func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
