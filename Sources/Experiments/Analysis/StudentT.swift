/// Student's t distribution.
enum StudentT {
  /// The 97.5 % point, by which a standard error becomes a two-sided 95 % interval.
  ///
  /// Up to nine degrees from the table, beyond by the expansion in 1/ν about the normal point
  /// z = 1.95996…, which is right to 10⁻⁵ there (Abramowitz & Stegun 26.7.5).
  static func percentile975(degreesOfFreedom: Int) -> Double {
    precondition(degreesOfFreedom >= 1, "t needs ≥ 1 degree of freedom, got \(degreesOfFreedom)")
    let table = [
      12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157,
    ]
    if degreesOfFreedom <= table.count { return table[degreesOfFreedom - 1] }
    let z = Self.normalPercentile975
    let nu = Double(degreesOfFreedom)
    let z2 = z * z
    let first = (z2 + 1) / 4
    let second = ((5 * z2 + 16) * z2 + 3) / 96
    let third = (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384
    let fourth = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160
    return z + z * (first + (second + (third + fourth / nu) / nu) / nu) / nu
  }

  /// The 97.5 % point of the normal distribution.
  static let normalPercentile975 = 1.959964
}
