/// Instructions that NVIDIA's compiler for OpenCL cannot assemble, in what it compiles.
///
/// It compiles for `sm_90`, whose instructions later generations have too, and its assembler refuses
/// those of `sm_90a`: wgmma. Kernels hold them back as comments `//@ …` in their inline PTX
/// (Kernels/wgmma.cl), which the compiler hands through. The text that it made, taken as the program's
/// binary, is then given the instructions and the architecture that has them, and loaded again.
enum HeldBackInstructions {
  /// What is before an instruction that is held back.
  static let mark = "//@"

  /// The text with its instructions, for `sm_90a`.
  ///
  /// - ptx: what NVIDIA's compiler made for `sm_90`.
  /// - Throws: `HeldBackError` where it is something else, or holds nothing back.
  static func put(into ptx: String) throws -> String {
    guard ptx.contains(".version"), let target = ptx.firstMatch(of: /(?m)^\.target[ \t]+(\w+)/)
    else {
      throw HeldBackError(reason: "no PTX: it begins with \(String(reflecting: ptx.prefix(40)))")
    }
    guard target.1 == "sm_90" || target.1 == "sm_90a" else {
      throw HeldBackError(reason: "PTX for \(target.1), not sm_90")
    }
    guard ptx.contains(mark) else { throw HeldBackError(reason: "PTX without comments \(mark)") }
    var result = ptx
    result.replaceSubrange(target.1.startIndex..<target.1.endIndex, with: "sm_90a")
    return result.replacing(mark, with: "")
  }
}

/// A compiler's text that instructions cannot be put into.
struct HeldBackError: Error, CustomStringConvertible {
  let reason: String

  /// What was expected, and what was found.
  var description: String {
    "PTX with instructions of sm_90a as comments was expected, got \(reason)"
  }
}
