import Testing
import Training

@testable import Experiments

/// What is said of runs in which Muon updates something.
@Suite struct UpdateRuleNotesTests {
  private func notes(
    _ optimizer: OptimizerKind = .muon, width: Int = 64, _ change: (inout Configuration) -> Void
  ) -> [String] {
    var experiment = Fixture.experiment
    experiment.settings.hiddenPattern = [1]
    change(&experiment.settings)
    return experiment.updateRuleNotes(optimizer, width: width)
  }

  @Test func rulesOfAllTensors_areNamed() {
    let plain = notes { ($0.depth, $0.batchSize) = (3, 10_000) }
    #expect(
      plain == [
        "muon updates layers.1.weight, layers.2.weight, adamw layers.0.weight, layers.3.weight"
      ])
    #expect(notes(.adam) { _ in }.isEmpty)
    let none = notes { $0.depth = 1 }
    #expect(none.count == 1 && none[0].contains("no matrix to update"))
  }

  @Test func rowNormalized_isOfEmbeddings() {
    let plain = notes(.rowNormalized) { ($0.network, $0.depth) = (.transformer, 1) }
    #expect(plain.count == 1)
    #expect(
      plain.first?.hasPrefix(
        "row-normalized updates embedding.weight, positions.weight, adamw blocks.0.") == true,
      "\(plain)")
    #expect(notes(.rowNormalized) { _ in } == ["row-normalized has no embedding to update"])
  }

  @Test func heads_areNamed_whereThereAreSome() {
    let byHead = notes { ($0.network, $0.depth, $0.muonPerHead) = (.transformer, 1, true) }
    #expect(
      byHead.contains(
        "muon takes blocks.0.attention.query.weight, blocks.0.attention.key.weight, "
          + "blocks.0.attention.value.weight head by head"), "\(byHead)")
    let none = notes { ($0.depth, $0.batchSize, $0.muonPerHead) = (3, 10_000, true) }
    #expect(none.count == 2 && none[1].hasPrefix("muon takes every matrix whole"), "\(none)")
  }

  /// 3.3·n/B of a step where all matrices are alike.
  @Test func cost_isToldWhereItIsMuch() {
    let dear = notes(width: 256) { ($0.depth, $0.batchSize) = (200, 64) }
    #expect(dear.count == 2 && dear[1].contains("takes about 13.3 times"), "\(dear)")
    #expect(notes(width: 256) { ($0.depth, $0.batchSize) = (200, 4096) }.count == 1)
  }
}
