/// Says once why nothing seems to happen.
struct ShortMemoryNote {
  private var isSaid = false

  /// Says it where other programs were waited for, and it was not said before.
  mutating func say(where hasWaited: Bool) {
    guard hasWaited, !isSaid else { return }
    isSaid = true
    Terminal.note("the device's memory is short: waiting for other programs to give some back")
  }
}
