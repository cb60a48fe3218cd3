import Testing

@testable import Spectral

@Suite struct ParameterSelectorTests {
  private static let path = "blocks.3.mlp.up.weight"

  @Test(arguments: [
    ("all", true), ("hidden", true), ("input", false),
    ("blocks", true), ("blocks.3", true), ("blocks.3.mlp.up.weight", true),
    ("blocks.4", false), ("block", false), ("blocks.3.mlp.u", false),
    ("blocks.*", true), ("blocks.*.mlp.up", true), ("*.3.*.up", true), ("*", true),
    ("blocks.*.mlp.down", false), ("blocks.*.up", false), ("blocks.*.mlp.up.weight.*", false),
    ("mlp.up", false), ("blocks.3*", false), ("", false), ("blocks.", false), (".", false),
  ])
  func selector_isByNamesBetweenDots(selector: String, selects: Bool) {
    #expect(ParameterSelector.selects(selector, Self.path, role: .hidden) == selects)
  }

  @Test(arguments: [
    ("blocks.3.mlp.up.weight", true), ("blocks.*.mlp.up.weight", true), ("blocks.3.mlp.up", false),
    ("blocks.3.mlp.up.*", false), ("*.*.*.*.*", false), ("all", false), ("hidden", false),
    ("*", false),
  ])
  func ownName_endsTheWholePath(selector: String, isName: Bool) {
    #expect(ParameterSelector.isName(selector, of: Self.path) == isName)
  }

  @Test(arguments: [("all", true), ("*", true), ("*.*", true), ("layers.*", false), ("*.1", false)])
  func selectorOfAll_tellsNoneApart(selector: String, isForAll: Bool) {
    #expect(ParameterSelector.isForAll(selector) == isForAll)
  }
}
