import Foundation

/// What is done where the device's memory is short and less will not do: other programs may hold what
/// is needed, so they are waited for, a while in all.
public struct MemoryWait {
  /// Seconds of waiting that are left.
  private var left = 30.0
  /// Seconds between two tries.
  private static let pause = 0.5

  /// A wait of half a minute in all.
  public init() {}

  /// Waits for a moment where `error` says that memory is short; false, and at once, where it says
  /// something else or the time is used up.
  public mutating func takesAMoment(after error: any Error) -> Bool {
    guard error.isOutOfDeviceMemory, left > 0 else { return false }
    Thread.sleep(forTimeInterval: Self.pause)
    left -= Self.pause
    return true
  }
}
