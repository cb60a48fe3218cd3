import CCLBlast
import COpenBLAS
import COpenCL
import Foundation

/// A library that the program computes with: which version, and which file the system has given it.
public struct LinkedLibrary: Hashable, Sendable {
  /// Its name.
  public let name: String
  /// Its version; nil where neither it nor its headers say.
  public let version: String?
  /// Its file, of Linux; nil where the system does not tell.
  public let path: String?

  /// The OpenCL loader, CLBlast and OpenBLAS.
  ///
  /// CLBlast does not tell its version when asked: it is that of the headers, and the file's name has the
  /// library's own.
  public static var all: [LinkedLibrary] {
    let loader = loaderVersion()
    return [
      LinkedLibrary(
        name: loader?.name ?? "OpenCL loader", version: loader?.version,
        path: path(of: "libOpenCL.")),
      LinkedLibrary(
        name: "CLBlast",
        version: "\(CLBLAST_VERSION_MAJOR).\(CLBLAST_VERSION_MINOR).\(CLBLAST_VERSION_PATCH)",
        path: path(of: "libclblast.")),
      LinkedLibrary(
        name: "OpenBLAS",
        version: openblas_get_config().map { String(cString: $0) }
          .map { $0.hasPrefix("OpenBLAS ") ? String($0.dropFirst(9)) : $0 },
        path: path(of: "libopenblas")),
    ]
  }

  /// The loader by its own account; nil where it gives none.
  ///
  /// Source: cl_loader_info of the OpenCL extension registry, which ocl-icd and Khronos's loader have.
  private static func loaderVersion() -> (name: String, version: String)? {
    typealias Query =
      @convention(c) (
        cl_uint, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?
      ) -> cl_int
    guard let function = clGetExtensionFunctionAddress("clGetICDLoaderInfoOCLICD") else {
      return nil
    }
    let query = unsafeBitCast(function, to: Query.self)
    // CL_ICDL_VERSION and CL_ICDL_NAME.
    func text(_ parameter: cl_uint) -> String? {
      var bytes = [UInt8](repeating: 0, count: 256)
      guard query(parameter, bytes.count, &bytes, nil) == CL_SUCCESS else { return nil }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return text(3).flatMap { name in text(2).map { (name, $0) } }
  }

  /// The file of a library in this process, by how its name begins.
  private static func path(of library: String) -> String? {
    // The C library's module lacks dladdr(3). A String would read the file's first page alone.
    guard let file = FileHandle(forReadingAtPath: "/proc/self/maps"),
      let maps = try? file.readToEnd()
    else { return nil }
    return String(decoding: maps, as: UTF8.self).split(separator: "\n").lazy
      .compactMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
      .first { $0.split(separator: "/").last?.hasPrefix(library) == true }
  }
}
