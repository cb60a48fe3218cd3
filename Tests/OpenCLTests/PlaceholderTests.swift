import Testing
@testable import OpenCL
