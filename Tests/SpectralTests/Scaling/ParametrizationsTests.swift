import Spectral
import Testing

@Suite struct ParametrizationsTests {
  @Test func names_areTheseInThisOrder() {
    #expect(Every.names == ["sp", "ntp", "mup", "spectral", "spectral-literal"])
  }

  @Test(arguments: Every.names)
  func named_findsEach(_ name: String) throws {
    let rule = try Parametrizations.named(name)
    #expect(rule.name == name)
    #expect(!rule.summary.isEmpty && !rule.summary.contains("\n"))
  }

  @Test(arguments: [
    ("muP", "mup"), ("mupp", "mup"), ("SP", "sp"), ("spectal", "spectral"),
    ("spectral_literal", "spectral-literal"), ("ntk", "ntp"), ("", nil), ("adam", nil),
  ])
  func named_unknownSuggestsTheClosest(_ name: String, _ suggestion: String?) {
    #expect(throws: UnknownParametrizationError.self) { try Parametrizations.named(name) }
    do throws(UnknownParametrizationError) {
      _ = try Parametrizations.named(name)
    } catch {
      #expect(error.suggestion == suggestion)
      #expect(error.known == Every.names)
    }
  }

  @Test func unknownName_saysExpectedGotAndSuggestion() {
    let known = "parametrization: expected one of sp, ntp, mup, spectral, spectral-literal, got "
    #expect(message("spectal") == known + "'spectal'; did you mean 'spectral'?")
    #expect(message("adam") == known + "'adam'")
  }

  private func message(_ name: String) -> String? {
    do throws(UnknownParametrizationError) {
      _ = try Parametrizations.named(name)
      return nil
    } catch {
      return error.description
    }
  }
}
