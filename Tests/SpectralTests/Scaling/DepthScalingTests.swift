import Foundation
import Spectral
import Testing

/// Depth rules against their formulas, and against what they are for: each branch's change is 1/L of the
/// stream's.
@Suite struct DepthScalingTests {
  static let plain = WidthScaling(
    multiplier: 3, initialStd: 0.5, learningRateFactor: 2, epsilonFactor: 0.25,
    weightDecayFactor: 0.5)

  /// Depth 32 from base 8, so r = 4.
  @Test(arguments: [
    (DepthRule.none, 1.0, 1.0, 1.0, 1.0), (.depthMuP, 0.5, 1, 0.5, 0.5),
    (.completeP, 0.25, 4, 1, 0.25),
  ])
  func factors_areTheFormulas(
    rule: DepthRule, branch: Double, sgd: Double, adam: Double, epsilon: Double
  ) {
    let scaling = DepthScaling(rule, depth: 32, baseDepth: 8)
    #expect(scaling.branchScale == branch && scaling.streamScale == 1)
    let stronger = DepthScaling(rule, depth: 32, baseDepth: 8, multiplier: 3)
    #expect(stronger.branchScale == 3 * branch)
    for (family, rate) in [(UpdateFamily.sgd, sgd), (.adam, adam), (.normalized, adam)] {
      for decay in WeightDecayKind.allCases {
        let scaled = scaling.applied(to: Self.plain, family: family, decay: decay)
        #expect(scaled.multiplier == 3 && scaled.initialStd == 0.5)
        #expect(scaled.learningRateFactor == 2 * rate)
        #expect(scaled.epsilonFactor == (family == .adam ? 0.25 * epsilon : 0.25))
        // η·λ of decoupled-scaled is the same at every depth.
        #expect(scaled.weightDecayFactor == (decay == .decoupledScaled ? 0.5 / rate : 0.5))
      }
    }
  }

  @Test func modular_isAConvexSum() {
    for depth in [1, 2, 8, 1024] {
      let scaling = DepthScaling(.modular, depth: depth, baseDepth: 4)
      #expect(scaling.branchScale + scaling.streamScale == 1)
      #expect(scaling.branchScale == 1 / Double(depth))
    }
    let rate = DepthScaling(.modular, depth: 16, baseDepth: 4)
      .applied(to: Self.plain, family: .sgd, decay: .decoupled).learningRateFactor
    #expect(rate == 8)
  }

  @Test(arguments: DepthRule.allCases.filter { $0 != .modular }, UpdateFamily.allCases)
  func baseDepth_changesNothing(rule: DepthRule, family: UpdateFamily) {
    let scaling = DepthScaling(rule, depth: 6, baseDepth: 6)
    #expect(scaling.branchScale == 1 && scaling.streamScale == 1)
    #expect(scaling.applied(to: Self.plain, family: family, decay: .decoupledScaled) == Self.plain)
  }

  /// A branch's gradient is its factor; its change is factor·rate·gradient under SGD, factor·rate under the
  /// others. Both sides of the formulas meet in r^−1.
  @Test(arguments: DepthRule.allCases.filter { $0 != .none }, UpdateFamily.allCases)
  func branchsChange_isOneOfDepth(rule: DepthRule, family: UpdateFamily) {
    func change(_ depth: Int) -> Double {
      let scaling = DepthScaling(rule, depth: depth, baseDepth: 2)
      let rate = scaling.applied(to: Self.plain, family: family, decay: .decoupled)
        .learningRateFactor
      return scaling.branchScale * rate * (family == .sgd ? scaling.branchScale : 1)
    }
    for depth in [8, 32, 512] {
      #expect(abs(change(depth) / change(2) * Double(depth) / 2 - 1) <= 1e-12)
    }
  }

  @Test func otherRates_leaveTheBranchAlone() {
    let scaling = DepthScaling(.completeP, depth: 32, baseDepth: 8)
    let without = scaling.applied(
      to: Self.plain, family: .adam, decay: .decoupled, rates: DepthRule.none)
    #expect(without == Self.plain && scaling.branchScale == 0.25)
    let half = scaling.applied(
      to: Self.plain, family: .adam, decay: .decoupled, rates: .depthMuP)
    #expect(half.learningRateFactor == 1 && half.epsilonFactor == 0.125)
  }
}
