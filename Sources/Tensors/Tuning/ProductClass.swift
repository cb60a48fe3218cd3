/// Classes of products that tunings of our own tiles tell apart, by one replica's multiply-adds.
package enum ProductClass: String, CaseIterable, Sendable {
  /// Fewer than 384³: networks that train in groups.
  case small
  /// The rest.
  case large

  private static let border = 384.0 * 384 * 384

  /// The class of C [m, n] with inner length k.
  package init(m: Int, n: Int, k: Int) {
    self = Double(m) * Double(n) * Double(k) < Self.border ? .small : .large
  }
}
