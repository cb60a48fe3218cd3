import Testing

@testable import OpenCL

@Suite struct DeviceTests {
  @Test(arguments: [
    ("", DeviceRequest.best), ("gpu", .kind(.gpu)), ("CPU", .kind(.cpu)), ("1", .index(1)),
    ("EPYC", .namePart("epyc")), ("gpu:2", .ordinal(.gpu, 2)), ("cpu:-1", .namePart("cpu:-1")),
  ]) func request_readsEveryForm(text: String, expected: DeviceRequest) {
    #expect(DeviceRequest(text) == expected)
  }

  @Test func find_byIndexAndNamePart_givesThatDevice() throws {
    let first = try #require(try Device.all().first)
    #expect(try Device.find(.index(0)).id == first.id)
    #expect(try Device.find(.ordinal(first.kind, 0)).id == first.id)
    #expect(throws: OpenCLError.self) { try Device.find(.ordinal(first.kind, 99)) }
    #expect(try Device.find(DeviceRequest(first.name)).name == first.name)
  }

  @Test func find_unknown_listsWhatThereIs() throws {
    let error = #expect(throws: OpenCLError.self) {
      try Device.find(DeviceRequest("no such thing"))
    }
    let name = try #require(try Device.all().first?.name)
    #expect("\(try #require(error))".contains(name))
  }

  @Test func best_isAGPUWhereThereIsOne() throws {
    let hasGPU = try Device.all().contains { $0.kind == .gpu }
    #expect(try Device.find(.best).kind == .gpu || !hasGPU)
  }

  @Test func info_isPlausible() throws {
    for device in try Device.all() {
      #expect(!device.name.isEmpty && !device.driverVersion.isEmpty)
      #expect(device.globalMemory >= device.maximumAllocation)
      #expect(device.maximumWorkItemSizes.count >= 3 && device.computeUnits >= 1)
    }
  }

  @Test func errorNames_areTheHeaders() {
    #expect(OpenCLError.name(ofCode: -11) == "CL_BUILD_PROGRAM_FAILURE (-11)")
    #expect(OpenCLError.name(ofCode: -61) == "CL_INVALID_BUFFER_SIZE (-61)")
    #expect(OpenCLError.name(ofCode: -99999) == "code -99999")
  }
}
