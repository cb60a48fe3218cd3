import Experiments
import OpenCL
import Tensors
import Testing

@Suite(.serialized) struct SelfTestTests {
  @Test func onChipSteps_areComparedWhereTheyAreTaken() throws {
    let compute = try Compute(device: .find(.best))
    func names(_ use: Compute.OnChipUse) -> [String] {
      compute.onChipUse = use
      let items = SelfTest(compute: compute).run().filter { $0.name.hasPrefix("on chip") }
      let failed = items.filter { !$0.passes }
      #expect(failed.isEmpty, "\(failed)")
      return items.map(\.name)
    }
    #expect(names(.never).isEmpty)
    #expect(
      names(.always) == [
        "on chip 64–64×2–10, batch 64", "on chip 20–48×3–3, batch 24",
        "on chip 64–128×2–10, batch 64",
      ])
    #expect(compute.onChipNetworks.count == 3)
  }
}
