import Foundation
import PackagePlugin

/// Writes the commit that is built from into a source file of the program, whenever something is built.
@main struct CommitPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let package = context.package.directoryURL
    let output = context.pluginWorkDirectoryURL.appending(path: "Sources")
    return [
      .prebuildCommand(
        displayName: "Finding the commit", executable: URL(filePath: "/bin/sh"),
        arguments: [
          package.appending(path: "Scripts/commit.sh").path(percentEncoded: false),
          package.path(percentEncoded: false), output.path(percentEncoded: false),
        ], outputFilesDirectory: output)
    ]
  }
}
