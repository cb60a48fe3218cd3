import ArgumentParser

@main struct Gputrain: AsyncParsableCommand {}
