import Testing
import Training

@testable import Experiments

/// What is said of runs in which spectral norms are held.
@Suite struct ConstraintNotesTests {
  private func notes(_ change: (inout Configuration) -> Void) -> [String] {
    var experiment = Fixture.experiment
    (experiment.settings.hiddenPattern, experiment.settings.depth) = ([1], 3)
    change(&experiment.settings)
    return experiment.constraintNotes(.adam, width: 64)
  }

  @Test func heldTensors_areNamed_andThoseThatStartAtZero() {
    #expect(notes { _ in }.isEmpty)
    let sphere = notes { ($0.spectralSphere, $0.zeroReadout) = (1, true) }
    #expect(
      sphere.first
        == "spectral sphere 1: layers.0.weight, layers.1.weight … layers.3.weight (4 tensors)")
    #expect(sphere.count == 2 && sphere[1].hasPrefix("layers.3.weight starts at 0"))
    let groups = ["hidden=spectral-sphere:1", "readout=spectral-cap:2"]
    let both = notes {
      $0.zeroReadout = true
      $0.groups = groups.compactMap { GroupChoice(setting: .string($0)) }
    }
    #expect(
      both == [
        "spectral sphere 1: layers.1.weight, layers.2.weight; spectral cap 2: layers.3.weight"
      ])
  }

  @Test func frozenTensors_areNamed_whereTheyWouldBeHeld() {
    func frozen(_ groups: String..., sphere: Double? = nil) -> [String] {
      notes {
        ($0.spectralSphere, $0.zeroReadout) = (sphere, false)
        $0.groups = groups.compactMap { GroupChoice(setting: .string($0)) }
      }
    }
    #expect(
      frozen("hidden=lr:0", sphere: 1) == [
        "spectral sphere 1: layers.0.weight, layers.3.weight",
        "frozen, and its norm not held: layers.1.weight, layers.2.weight",
      ])
    #expect(
      frozen("layers.2=spectral-clip:2,lr:0")
        == ["frozen, and its norm not held: layers.2.weight"])
    #expect(frozen("hidden=lr:0").isEmpty)
    #expect(frozen("hidden=lr:0,spectral-sphere:none", sphere: 1).count == 1)
    #expect(frozen("hidden=lr:0", "hidden=lr:1", sphere: 1).count == 1)
  }
}
