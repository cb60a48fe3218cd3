import Synchronization

/// A value for each type, made when it is first asked for.
///
/// Protocol extensions and generic types have no stored static properties of their own.
package final class ValuePerType<Value: Sendable>: Sendable {
  private let values = Mutex<[ObjectIdentifier: Value]>([:])

  package init() {}

  /// The value of `type`; `make`, whose result depends on nothing else, is called where there is none
  /// yet.
  package func value(of type: Any.Type, make: () -> Value) -> Value {
    let key = ObjectIdentifier(type)
    if let value = values.withLock({ $0[key] }) { return value }
    let value = make()
    values.withLock { $0[key] = value }
    return value
  }
}
