import Foundation
import OpenCL
import Training

/// How much device memory a group of runs takes, and how many fit.
public struct MemoryPlan: Sendable {
  /// Bytes that the sweep may take.
  public let budget: Int
  private let largestBuffer: Int

  /// A plan for `device`.
  ///
  /// - budget: bytes; nil for half of a CPU's free memory, or 80 % of a GPU's. What OpenCL reports
  ///   is not used on CPUs, where drivers name a fraction of what there is.
  public init(device: Device, budget: Int? = nil) {
    self.budget =
      budget
      ?? (device.kind == .cpu
        ? Self.availableMemory() / 2 : Int(Double(device.globalMemory) * 0.8))
    largestBuffer = Int(device.maximumAllocation)
  }

  init(budget: Int, largestBuffer: Int) {
    self.budget = budget
    self.largestBuffer = largestBuffer
  }

  /// Runs of `group` that can train at once beside `dataBytes` of data.
  ///
  /// - Throws: `SweepError.notEnoughMemory` where not even one fits.
  public func replicas(of group: RunGroup, dataBytes: Int) throws -> Int {
    let (bytes, largest) = Self.bytesPerReplica(of: group)
    let fitting = min((budget - dataBytes) / bytes, largestBuffer / largest)
    guard fitting >= 1 else {
      throw SweepError.notEnoughMemory(
        width: group.width, needed: max(bytes + dataBytes, largest > largestBuffer ? largest : 0),
        budget: largest > largestBuffer ? largestBuffer : budget)
    }
    return fitting
  }

  /// Bytes of everything one run keeps, and of its largest tensor.
  ///
  /// Weights, the rule's state and gradients; activations before and after φ and their gradients;
  /// batches of training and of evaluation, which pass one layer at a time.
  static func bytesPerReplica(of group: RunGroup) -> (all: Int, largest: Int) {
    let shape = group.training.network.shape
    let parameters = shape.parameters.map { $0.shape.fanIn * $0.shape.fanOut }
    let weights = parameters.reduce(0, +) * (2 + group.optimizer.rule.stateCount)
    let widths = shape.hidden + [shape.outputs]
    let rows = group.settings.batchSize
    let activations = rows * (shape.inputs + 4 * widths.reduce(0, +))
    let evaluation = Trainer.evaluationBatch * (2 * widths.reduce(0, +) + shape.outputs)
    let largest = max(
      parameters.max() ?? 0, rows * shape.inputs,
      max(rows, Trainer.evaluationBatch) * (widths.max() ?? 0))
    return (4 * (weights + activations + evaluation), 4 * largest)
  }

  /// Free memory of this machine, bytes; its whole memory where the system does not tell.
  private static func availableMemory() -> Int {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    if let match = text.firstMatch(of: /MemAvailable:\s+(\d+) kB/), let kibibytes = Int(match.1) {
      return kibibytes * 1024
    }
    return Int(ProcessInfo.processInfo.physicalMemory)
  }
}
