import Foundation
import OpenCL
import Testing

@testable import GPUTrainCommand

/// `gputrain devices`, and what is said where a GPU's driver is there without its OpenCL.
@Suite(.runsPrograms) struct DevicesCommandTests {
  /// A machine with NVIDIA's driver and library, and no ICD file.
  private let machine = DriverFinding.Machine(
    exists: { ["/dev/nvidia0", "/usr/lib64/libnvidia-opencl.so.1"].contains($0) },
    names: { _ in [] }, text: { _ in nil }, environment: [:])

  private struct Listing: Decodable {
    struct Device: Decodable { let index: Int, kind: String, isDefault: Bool }
    let devices: [Device]
    let drivers: [[String: Text]]
    enum Text: Decodable {
      case one(String), many([String])
      init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        self =
          if let text = try? value.decode(String.self) {
            .one(text)
          } else {
            .many(try value.decode([String].self))
          }
      }
    }
  }

  @Test func json_hasDevicesAndDrivers() throws {
    let result = try CommandRunner.run(["devices", "--json"])
    #expect(result.status == 0, "\(result.errors)")
    let listing = try JSONDecoder().decode(Listing.self, from: Data(result.output.utf8))
    #expect(listing.devices.map(\.index) == Array(listing.devices.indices))
    #expect(listing.devices.count(where: \.isDefault) == 1)
  }

  @Test func json_withoutPlatform_isPrintedAllTheSame() throws {
    let result = try CommandRunner.run(
      ["devices", "--json"],
      environment: ["OCL_ICD_VENDORS": "/nonexistent", "OCL_ICD_FILENAMES": ""])
    #expect(result.status == 1 && result.errors.contains("no OpenCL platform found"))
    let listing = try JSONDecoder().decode(Listing.self, from: Data(result.output.utf8))
    #expect(listing.devices.isEmpty)
  }

  @Test func json_holdsWhatWasFound() throws {
    let text = try jsonText(DriverFinding.all(on: machine))
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
    let finding = try #require(value?.first)
    #expect(finding["maker"] as? String == "NVIDIA" && finding["missing"] as? String == "icd_file")
    #expect((finding["remedies"] as? [String])?.count == 2)
  }

  @Test(arguments: [
    OpenCLError.noPlatform, .noDevice(request: "gpu", available: []),
    .noDevice(request: "gpu", available: ["0 Some CPU (cpu)"]),
    .noDevice(request: "H100", available: ["0 Some CPU (cpu)"]),
  ]) func missingGPU_errorSaysWhatToDo(error: OpenCLError) {
    let text = "\(DriverAdvice.added(to: error, on: machine))"
    #expect(text.hasPrefix("\(error)\nNVIDIA's driver is there (/dev/nvidia0, "))
    #expect(text.contains("> /etc/OpenCL/vendors/nvidia.icd"))
  }

  @Test(arguments: [
    OpenCLError.noDevice(request: "cpu", available: []),
    .noDevice(request: "7", available: ["0 Some GPU (gpu)"]),
    .callFailed(call: "clFinish", code: -5, context: ""),
  ]) func otherErrors_stayAsTheyAre(error: OpenCLError) {
    #expect(DriverAdvice.added(to: error, on: machine) as? OpenCLError == error)
  }

  @Test func withoutDriver_errorStaysAsItIs() {
    let bare = DriverFinding.Machine(
      exists: { _ in false }, names: { _ in [] }, text: { _ in nil }, environment: [:])
    let error = DriverAdvice.added(to: OpenCLError.noPlatform, on: bare)
    #expect(error as? OpenCLError == .noPlatform)
  }
}
