import OpenCL
import Testing

@testable import Tensors

/// What programs for GPUs hold: nothing that only compilers for CPUs take, and no kernels of CPUs.
@Suite(.serialized) struct KernelVariantTests {
  @Test func definitions_ofGPUs_haveNothingForCPUs() {
    for kind in [Device.Kind.gpu, .accelerator] {
      #expect(
        Compute.definitions(for: kind, vectorWidth: 4, variant: .group)
          == ["WIDTH": "4", "GROUP_ITEMS": "128"])
    }
    let own = Compute.definitions(for: .cpu, vectorWidth: 16, variant: .item)
    #expect(
      own == ["WIDTH": "16", "GROUP_ITEMS": "1", "PREFETCH": "1", "WIDE_STORES": "1"])
  }

  /// LLVM 7, which NVIDIA's OpenCL compiler is made of, refuses `__builtin_prefetch` of a `__global`
  /// pointer, and has it by `__has_builtin`.
  @Test(arguments: KernelSource.allCases) func builtins_areForCPUsAlone(_ source: KernelSource) {
    var conditions: [String] = []
    for line in source.text.split(separator: "\n") {
      if line.hasPrefix("#if") {
        conditions.append(String(line))
      } else if line.hasPrefix("#el") {
        conditions[conditions.count - 1] = "#else"
      } else if line.hasPrefix("#endif") {
        conditions.removeLast()
      }
      #expect(!line.contains("__has_builtin") && !line.contains("__clang__"), "\(line)")
      if line.contains("__builtin") && !line.hasPrefix("//") {
        #expect(conditions.contains("#if PREFETCH"), "\(line)")
      }
    }
    #expect(conditions.isEmpty)
  }

  /// What is said to be in the program of a step is in it.
  @Test func stepsProgram_holdsItsParts() {
    let parts = KernelSource.allCases.filter { $0.program == .step && $0 != .step }
    let text = KernelSource.step.text
    for source in parts { #expect(text.contains("#line 1 \"\(source.file)\""), "\(source)") }
    #expect(parts.count == 7)
  }

  /// A macro of the host's that a text defines again would be the text's, and no error.
  @Test func texts_leaveTheHostsMacrosAlone() {
    let tiles: [any ProductTile] = [LocalTile.defaults[0], TensorTile.defaults[0]]
    let variant = ProductVariant(.tn, isAligned: true, ending: .plain)
    let names =
      tiles.flatMap(\.parameters.keys) + variant.parameters.keys + [
        "PRECISION", "EMULATED", "HEAD",
      ]
      + Compute.definitions(for: .cpu, vectorWidth: 16, variant: .item).keys
    for source in [
      KernelSource.multiplyLocal, .multiplyTensor, .slices, .multiply, .ritz, .loss, .normalization,
      .attention,
    ] {
      for line in source.text.split(separator: "\n") where line.hasPrefix("#define") {
        let name = line.dropFirst(8).prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        #expect(!names.contains(String(name)), "\(source.file): \(line)")
      }
    }
  }

  /// The kernels that each variant has, by source; the other variant's program must not have them.
  static let kernels: [(source: KernelSource, item: [String], group: [String])] = [
    (
      .spectral, ["spectral_pass_1", "spectral_pass_4", "read_sum"],
      ["spectral_pass_group", "read_sum_group"]
    ),
    (
      .attention, ["attention", "attention_backward"],
      ["attention_group", "attention_backward_queries", "attention_backward_keys"]
    ),
    (.gram, ["gradient_norms"], ["gradient_norms_group"]),
    (.ritz, ritz, ritz.map { $0 + "_group" }),
    (
      .reduction, ["sum_rows", "sum_squares", "root_of_total"],
      ["sum_rows_group", "sum_squares_group", "root_of_total_group"]
    ),
  ]
  private static let ritz = [
    "ritz_scale", "ritz_reduce", "ritz_gram", "ritz_solve", "ritz_update", "ritz_finish",
  ]

  @Test(arguments: KernelVariant.allCases) func programs_holdOneVariantsKernels(
    _ variant: KernelVariant
  ) throws {
    let device = try Device.find(.best)
    let context = try Context(device: device)
    for (source, item, group) in Self.kernels {
      var definitions = Compute.definitions(for: .gpu, vectorWidth: 4, variant: variant)
      definitions.merge(["VECTORS": "2", "HEAD": "16"]) { _, new in new }
      let program = try Program(
        context: context, file: source.file, source: source.text, definitions: definitions)
      for name in item { #expect(has(name, program) == (variant == .item), "\(name)") }
      for name in group { #expect(has(name, program) == (variant == .group), "\(name)") }
    }
  }

  /// Whether there is a kernel of this name; of its arguments nothing is asked.
  private func has(_ name: String, _ program: Program) -> Bool {
    do {
      _ = try Kernel<Float>(program, name)
      return true
    } catch OpenCLError.argumentMismatch {
      return true
    } catch {
      return false
    }
  }

  @Test func kernelsOfOneName_areTheirSourcesAndDefinitionsOwn() throws {
    let compute = try Compute(device: .find(.best))
    func sums(_ definitions: [String: String]) throws
      -> Kernel<Buffer<Float>, Buffer<Float>, UInt32, UInt32>
    {
      try compute.kernel(
        .reduction, compute.kernelVariant.name(of: "sum_squares"), definitions: definitions,
        Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self)
    }
    let own = try sums([:])
    #expect(try sums([:]) === own)
    let programs = compute.programCount
    // What the device has anyway makes no other program.
    _ = try sums(compute.kernelVariant.definitions)
    #expect(compute.programCount == programs)
    #expect(try sums(["WIDTH": "8"]) !== own)
    #expect(compute.programCount == programs + 1)
  }
}
