import Dispatch
import OpenCL
import Synchronization

/// What a program of our own kernels is made of, but for the context and what all programs share.
package struct ProgramKey: Hashable, Sendable {
  let source: KernelSource
  /// Macros by name.
  let definitions: [String: String]
  /// The update rule whose macros come before the text, if any.
  let rule: ElementwiseRule?
  /// Further options of the compiler.
  let options: [String]
  /// Whether what is compiled holds back instructions, which `HeldBackInstructions` puts in.
  let holdsBackInstructions: Bool

  /// The program of `source` with these definitions, update rule and options.
  package init(
    source: KernelSource, definitions: [String: String] = [:], rule: ElementwiseRule? = nil,
    options: [String] = [], holdsBackInstructions: Bool = false
  ) {
    (self.source, self.definitions, self.options) = (source, definitions, options)
    self.rule = rule
    self.holdsBackInstructions = holdsBackInstructions
  }

  /// Compiles the program.
  ///
  /// - common: definitions of all programs, which its own come before.
  func program(context: Context, common: [String: String]) throws -> Program {
    func putInstructions(into text: String) throws -> String {
      try HeldBackInstructions.put(into: text)
    }
    return try Program(
      context: context, file: source.file,
      source: (rule.map { "\($0.macros)#line 1 \"\(source.file)\"\n" } ?? "") + source.text,
      definitions: definitions.merging(common) { own, _ in own },
      options: options,
      assembling: holdsBackInstructions ? putInstructions : nil)
  }
}

extension Compute {
  /// Compiles those of `keys` that are not compiled yet, on as many threads as the host has cores;
  /// drivers compile a program on one.
  ///
  ///     compute.prepare(variants.map { kernel.program($0, platform: device.platform) })
  ///
  /// What cannot be compiled is left out: it is compiled once more, and its error thrown, when one
  /// of its kernels is asked for.
  package func prepare(_ keys: [ProgramKey]) {
    let missing = Set(keys).filter { programs[$0] == nil }.map { $0 }
    guard missing.count > 1 else { return }
    let start = ContinuousClock.now
    defer { buildTime += ContinuousClock.now - start }
    let (context, common) = (SharedAcrossThreads(value: queue.context), commonDefinitions)
    let built = Mutex<[Int: SharedAcrossThreads<Program>]>([:])
    DispatchQueue.concurrentPerform(iterations: missing.count) { index in
      guard
        let program = try? missing[index].program(context: context.value, common: common)
      else { return }
      let shared = SharedAcrossThreads(value: program)
      built.withLock { $0[index] = shared }
    }
    for (index, program) in built.withLock({ $0 }) { programs[missing[index]] = program.value }
  }
}

/// An OpenCL object that several threads use at once.
///
/// `Context` and `Program` are classes of constants around a handle. OpenCL 1.2, A.2, has all calls
/// thread-safe but `clSetKernelArg`: contexts are shared here, and programs, each made by one thread
/// and read by another once that is done; kernels are not.
private struct SharedAcrossThreads<Value>: @unchecked Sendable {
  let value: Value
}
