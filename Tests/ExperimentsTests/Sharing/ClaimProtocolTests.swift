import Foundation
import Synchronization
import Testing

@testable import Experiments

/// Runs bodies on threads of their own, of which one at a time makes a step and goes on to its next:
/// whichever a schedule says.
private final class Schedule: @unchecked Sendable {
  private let turns: [DispatchSemaphore]
  private let arrived = DispatchSemaphore(value: 0)
  /// Read and written by whoever has the turn.
  private var isDone: [Bool]
  private var steps: [Int]
  /// The thread that is killed after so many steps.
  private let crash: (thread: Int, steps: Int)?

  private struct Crash: Error {}

  init(threads: Int, crash: (thread: Int, steps: Int)? = nil) {
    turns = (0..<threads).map { _ in DispatchSemaphore(value: 0) }
    isDone = Array(repeating: false, count: threads)
    steps = Array(repeating: 0, count: threads)
    self.crash = crash
  }

  /// Waits until `thread` has the turn, and makes a step.
  func step<Result>(_ thread: Int, _ body: () -> Result) throws -> Result {
    if let crash, crash.thread == thread, steps[thread] == crash.steps { throw Crash() }
    steps[thread] += 1
    arrived.signal()
    turns[thread].wait()
    return body()
  }

  /// Runs the bodies to their ends.
  ///
  /// - choices: which of those that are not at their ends makes a step, at every step, counted round; 0
  ///   where they are used up.
  /// - Returns: among how many was chosen, at every step.
  func run(_ choices: [Int], _ bodies: [@Sendable () throws -> Void]) -> [Int] {
    for (index, body) in bodies.enumerated() {
      Thread {
        try? body()
        self.isDone[index] = true
        self.arrived.signal()
      }.start()
      arrived.wait()
    }
    var options: [Int] = []
    while isDone.contains(false) {
      let open = isDone.indices.filter { !isDone[$0] }
      let choice = (options.count < choices.count ? choices[options.count] : 0) % open.count
      options.append(open.count)
      turns[open[choice]].signal()
      arrived.wait()
    }
    return options
  }

  /// Calls `body` with every schedule there is, or as many as `limit`, drawn at random, where that is given.
  ///
  /// - body: runs one, and returns among how many was chosen at every step.
  static func forEach(limit: Int? = nil, _ body: ([Int]) throws -> [Int]) rethrows -> Int {
    if let limit {
      var state: UInt64 = 1
      for _ in 0..<limit {
        let choices = (0..<64).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return Int(state >> 40) % 6
        }
        _ = try body(choices)
      }
      return limit
    }
    var (choices, count): ([Int], Int) = ([], 0)
    while true {
      let options = try body(choices)
      count += 1
      choices += Array(repeating: 0, count: options.count - choices.count)
      guard let last = choices.indices.last(where: { choices[$0] + 1 < options[$0] }) else {
        return count
      }
      choices = Array(choices[..<last]) + [choices[last] + 1]
    }
  }
}

/// A folder of claims in memory.
private final class ModelFolder: @unchecked Sendable {
  /// Names, and which file each is of.
  var names: [String: Int] = [:]
  var files: [ClaimState] = []
  /// Who may work on what is claimed, as they think.
  var owners: [String] = []

  func add(_ claim: Claim, at names: [String], heartbeat: Int64) {
    files.append(ClaimState(claim: claim, heartbeat: heartbeat))
    for name in names { self.names[name] = files.count - 1 }
  }

  func state(of name: String) -> ClaimState? { names[name].map { files[$0] } }
}

/// What one process sees of it, a step at a time.
private struct ModelFiles: ClaimFiles {
  let folder: ModelFolder
  let schedule: Schedule
  let thread: Int

  func state(of name: String) throws -> ClaimState? {
    // Nobody changes one's own claim: looking at it is no step of which the order matters.
    if name == "own\(thread)" { return folder.state(of: name) }
    return try schedule.step(thread) { folder.state(of: name) }
  }

  func link(_ name: String, as other: String) throws -> Bool {
    try schedule.step(thread) {
      guard folder.names[other] == nil, let file = folder.names[name] else { return false }
      folder.names[other] = file
      return true
    }
  }

  func rename(_ name: String, to other: String) throws -> Bool {
    try schedule.step(thread) {
      guard let file = folder.names.removeValue(forKey: name) else { return false }
      folder.names[other] = file
      return true
    }
  }

  func remove(_ name: String) throws { try schedule.step(thread) { folder.names[name] = nil } }
}

/// The protocol by which runs are claimed, in every order in which processes can make their steps.
@Suite struct ClaimProtocolTests {
  private static func claim(_ host: String) -> Claim {
    let holder = ProcessIdentity(
      host: host, process: 1, job: nil, user: "u", place: nil, started: nil)
    return Claim(
      program: "", holder: holder, device: "", since: Date(timeIntervalSince1970: 0),
      beat: .seconds(15))
  }

  /// `processes` that want the run "r", which a process that is gone has claimed where `isAbandoned`.
  private func folder(processes: Int, isAbandoned: Bool) -> ModelFolder {
    let folder = ModelFolder()
    if isAbandoned { folder.add(Self.claim("gone"), at: ["r"], heartbeat: 1) }
    for process in 0..<processes {
      folder.add(Self.claim("\(process)"), at: ["own\(process)"], heartbeat: 2)
    }
    return folder
  }

  /// What each does: it tries, and gives back what it got where it is done.
  private func body(
    _ process: Int, _ folder: ModelFolder, _ schedule: Schedule, givesBack: Bool = false
  ) -> @Sendable () throws -> Void {
    {
      let files = ModelFiles(folder: folder, schedule: schedule, thread: process)
      var asides = 0
      let isOurs = try files.take(
        "r", by: "own\(process)",
        unused: {
          asides += 1
          return "aside\(process).\(asides)"
        }, isStale: { $0.heartbeat == 1 })
      guard isOurs else { return }
      folder.owners.append("\(process)")
      if givesBack, try files.state(of: "r")?.claim?.holder.host == "\(process)" {
        try files.remove("r")
      }
    }
  }

  /// Two processes: whatever the order, one has the run and the other not.
  @Test(arguments: [false, true]) func ofTwo_exactlyOneGetsTheRun(isAbandoned: Bool) {
    let count = Schedule.forEach { choices in
      let folder = folder(processes: 2, isAbandoned: isAbandoned)
      let schedule = Schedule(threads: 2)
      let options = schedule.run(choices, (0..<2).map { body($0, folder, schedule) })
      #expect(folder.owners.count == 1, "\(choices)")
      #expect(folder.state(of: "r")?.claim?.holder.host == folder.owners.first, "\(choices)")
      // Nothing is left beside the claims and the run.
      #expect(Set(folder.names.keys) == ["r", "own0", "own1"], "\(choices)")
      return options
    }
    #expect(count > (isAbandoned ? 100 : 1))
  }

  /// Three, drawn at random: a third may come between a claim that was moved by mistake and its being put
  /// back. Then two do the run, which is all that goes wrong; that nobody does does not happen.
  @Test func ofThree_somebodyGetsTheRun() {
    var twice = 0
    let count = Schedule.forEach(limit: 3000) { choices in
      let folder = folder(processes: 3, isAbandoned: true)
      let schedule = Schedule(threads: 3)
      let options = schedule.run(choices, (0..<3).map { body($0, folder, schedule) })
      #expect((1...2).contains(folder.owners.count), "\(choices)")
      twice += folder.owners.count - 1
      #expect(folder.names.keys.count { $0.hasPrefix("aside") } == 0)
      return options
    }
    #expect(twice < count / 10, "\(twice)")
  }

  /// A process that is done gives its claim back and not another's.
  @Test func givenBack_isOnesOwn() {
    _ = Schedule.forEach(limit: 3000) { choices in
      let folder = folder(processes: 2, isAbandoned: true)
      let schedule = Schedule(threads: 2)
      let options = schedule.run(
        choices, [body(0, folder, schedule, givesBack: true), body(1, folder, schedule)])
      // The second may come when the first is done already.
      #expect((1...2).contains(folder.owners.count), "\(choices)")
      if folder.owners.last == "1" {
        #expect(folder.state(of: "r")?.claim?.holder.host == "1", "\(choices)")
      }
      return options
    }
  }

  /// One of two is killed after any number of steps, in any order: a third that finds them all gone gets
  /// the run.
  @Test(arguments: 0..<7) func killedAnywhere_leavesTheRunToOthers(steps: Int) throws {
    _ = Schedule.forEach { choices in
      let folder = folder(processes: 3, isAbandoned: true)
      let schedule = Schedule(threads: 2, crash: (0, steps))
      let options = schedule.run(choices, (0..<2).map { body($0, folder, schedule) })
      let after = Schedule(threads: 1)
      let files = ModelFiles(folder: folder, schedule: after, thread: 0)
      let taken = Mutex(false)
      _ = after.run(
        [],
        [
          {
            let isOurs = try files.take(
              "r", by: "own2", unused: { "aside2" }, isStale: { _ in true })
            taken.withLock { $0 = isOurs }
          }
        ])
      #expect(taken.withLock { $0 }, "\(choices)")
      return options
    }
  }
}
