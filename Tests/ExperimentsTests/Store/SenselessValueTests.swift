import Foundation
import Spectral
import Testing
import Training

@testable import Experiments

/// Files that are well written and hold what no program of ours has written: errors of the file, and no traps of
/// what draws pages of them. Found by Tests/Fuzz.
@Suite struct SenselessValueTests {
  /// What is said of `value`, encoded, with one text in place of another; nil where it is read.
  private func refusal<Value: Codable>(
    of value: Value, replacing old: String, with new: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(value), as: UTF8.self)
    #expect(text.contains(old), "\(text)", sourceLocation: sourceLocation)
    do {
      _ = try JSONDecoder().decode(Value.self, from: Data(text.replacing(old, with: new).utf8))
      return nil
    } catch let error as DecodingError {
      return RunStore.text(of: error)
    }
  }

  private static let check: CheckReport = {
    let quantity = CheckedQuantity(
      layer: "layers.0", quantity: .weightNorm, values: [1, 2], exponent: 1, lower: 0.5, upper: 1.5,
      predicted: 1, predictedLimit: 1, condition: 0, conditionLimit: 0, ownDeviation: 0,
      verdict: .unclear, seedsToTell: 3)
    return CheckReport(
      parametrization: "sp", optimizer: "adam", scale: .width, sizes: [64, 128], seeds: 2,
      log2LearningRate: -8, step: 1, exponents: [quantity],
      coordinates: [CheckReport.Coordinate(layer: "layers.0", step: 0, meanAbsolute: [1, 2])],
      remarks: [], diverged: false)
  }()

  @Test(arguments: [
    (#""sizes":[64,128]"#, #""sizes":[64]"#), (#""sizes":[64,128]"#, #""sizes":[64,64]"#),
    (#""sizes":[64,128]"#, #""sizes":[-64,128]"#), (#""sizes":[64,128]"#, #""sizes":[]"#),
    (#""values":[1,2]"#, #""values":[1]"#), (#""mean_abs":[1,2]"#, #""mean_abs":[1,2,3]"#),
    (#""seeds":2"#, #""seeds":0"#), (#""seeds":2"#, #""seeds":9223372036854775807"#),
  ]) func check_isRefused(old: String, new: String) throws {
    #expect(try refusal(of: Self.check, replacing: old, with: old) == nil)
    let text = try refusal(of: Self.check, replacing: old, with: new)
    #expect(text?.hasPrefix("expected ") == true, "\(text ?? "read")")
  }

  @Test(arguments: [
    (#""widths":[64,128,256]"#, #""widths":[0]"#), (#""widths":[64,128,256]"#, #""widths":[]"#),
    (#""widths":[64,128,256]"#, #""widths":[9223372036854775807]"#),
    (#""seeds":[1,2]"#, #""seeds":[1,1]"#),
    (#""log2LearningRates":[-9"#, #""log2LearningRates":[-1e300"#),
  ]) func grid_isRefused(old: String, new: String) throws {
    let text = try refusal(of: ReportFixture.grid, replacing: old, with: new)
    #expect(
      text?.contains("expected") == true || text?.contains("at most") == true, "\(text ?? "read")")
  }

  @Test(arguments: [
    (#""width":128"#, #""width":0"#), (#""width":128"#, #""width":9223372036854775807"#),
    (#""log2LearningRate":-5.473684"#, #""log2LearningRate":1e300"#),
    (#""inputs":64"#, #""inputs":0"#), (#""trainCount":1500"#, #""trainCount":-1"#),
    (#""trainCount":1500"#, #""trainCount":9223372036854775807"#),
    (#""classes":10"#, #""classes":4611686018427387904"#),
  ]) func configuration_isRefused(old: String, new: String) throws {
    let configuration = Fixture.configuration()
    #expect(try refusal(of: configuration, replacing: old, with: old) == nil)
    let text = try refusal(of: configuration, replacing: old, with: new)
    #expect(text?.hasPrefix("expected ") == true, "\(text ?? "read")")
  }

  @Test func figures_areRefused() throws {
    func error<Value: Decodable>(_ type: Value.Type, _ text: String) -> DecodingError? {
      do {
        _ = try JSONDecoder().decode(type, from: Data(text.utf8))
        return nil
      } catch {
        return error as? DecodingError
      }
    }
    let curve =
      #"{"parametrization":"mup","quantity":"relative_feature_change","values":[[1,2],[1,2]]}"#
    #expect(error(FeatureLearning.self, #"{"widths":[8,16],"curves":[\#(curve)]}"#) == nil)
    for widths in ["[8]", "[0,8]", "[8,16,32]"] {
      #expect(error(FeatureLearning.self, #"{"widths":\#(widths),"curves":[\#(curve)]}"#) != nil)
    }
    func spectrum(_ shape: String, _ batch: String) -> DecodingError? {
      error(
        GradientSpectrum.self,
        #"{"shape":\#(shape),"spectra":[{"batchSize":\#(batch),"singularValues":[1]}],"tokensPerRow":8}"#
      )
    }
    #expect(spectrum("[8,8]", "4") == nil && spectrum("[8,8]", "null") == nil)
    #expect(spectrum("[8,-8]", "4") != nil && spectrum("[8,8]", "4611686018427387904") != nil)
  }

  /// The error names the file and what is wrong.
  @Test func storedCheck_isNamed() throws {
    try Fixture.inDirectory { directory in
      let file = ReportFolder.check.file(in: directory)
      try CheckFile(
        report: Self.check, experiment: Fixture.experiment, invocation: ReportFixture.invocation()
      ).write(in: directory)
      let page = directory.appendingPathComponent("page.html")
      try ReportWriter().write([directory], to: page)
      let text = try String(contentsOf: file, encoding: .utf8)
      // KeptFile writes a number a line.
      let damaged = text.replacing(#/"sizes" : \[\s*64,/#, with: #""sizes" : ["#)
      #expect(damaged != text)
      try Data(damaged.utf8).write(to: file)
      #expect {
        try ReportWriter().write([directory], to: page)
      } throws: {
        "\($0)".contains(file.path) && "\($0)".contains("expected two different sizes or more")
      }
    }
  }
}
