import CEnlarger
import Enlarger
import Glibc
import Synchronization
import Tensors

/// The handles that are given out: numbers in the place of pointers, never used twice, so that a handle that was given back
/// is known as such.
enum Handles {
    private struct Table {
        var objects: [UInt: any Handle] = [:]
        var next: UInt = 1
    }
    private static let table = Mutex(Table())

    static func add(_ object: any Handle) -> OpaquePointer {
        table.withLock { table in
            defer { table.next += 1 }
            table.objects[table.next] = object
            return OpaquePointer(bitPattern: table.next)!
        }
    }

    static func remove<H: Handle>(_ handle: OpaquePointer?, _: H.Type) {
        let key = UInt(bitPattern: handle)
        // Freed outside the lock.
        let removed = table.withLock { table in table.objects[key] is H ? table.objects.removeValue(forKey: key) : nil }
        withExtendedLifetime(removed) {}
    }

    static func find<H: Handle>(_ handle: OpaquePointer?, _: H.Type) -> H? {
        let object = table.withLock { $0.objects[UInt(bitPattern: handle)] }
        return object as? H
    }

    static func get<H: Handle>(_ handle: OpaquePointer?, _ type: H.Type) throws(EnlargerError) -> H {
        if let object = find(handle, type) { return object }
        throw usage(handle == nil ? "the \(H.noun) is NULL" : "this is no \(H.noun), or one that was given back")
    }
}

/// What a handle stands for.
protocol Handle: AnyObject, Sendable {
    static var noun: String { get }
}

final class OptionsHandle: Handle {
    static let noun = "options handle"
    private let values = Mutex(UpscaleOptions())

    var current: UpscaleOptions { values.withLock { $0 } }
    func change(_ body: (inout UpscaleOptions) -> Void) { values.withLock { body(&$0) } }
}

final class UpscalerHandle: Handle, @unchecked Sendable {  // the upscaler is used under `lock` alone, the strings never change
    static let noun = "upscaler"
    private let upscaler: Upscaler
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let cancelled = Atomic(false)
    private let notes = Mutex(Strings([]))
    let scales: [Int]
    let modelName, algorithm, device, precision: UnsafePointer<CChar>
    private let owned: Strings

    init(_ options: UpscaleOptions) throws(EnlargerError) {
        upscaler = try Upscaler(options: options)
        scales = upscaler.scales
        owned = Strings([upscaler.modelName, upscaler.architecture, upscaler.deviceName, upscaler.precision])
        (modelName, algorithm, device, precision) = (owned[0]!, owned[1]!, owned[2]!, owned[3]!)
        // A lock that knows its thread: a callback that comes back is told so, and does not wait for itself.
        var kind = pthread_mutexattr_t()
        pthread_mutexattr_init(&kind)
        pthread_mutexattr_settype(&kind, CInt(PTHREAD_MUTEX_ERRORCHECK))
        pthread_mutex_init(lock, &kind)
        pthread_mutexattr_destroy(&kind)
        setNotes(upscaler.modelNotes)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// One call at a time.
    func use<Result>(_ body: (Upscaler) throws -> Result) throws -> Result {
        guard pthread_mutex_lock(lock) == 0 else { throw usage("a callback called the upscaler that it works for") }
        defer { pthread_mutex_unlock(lock) }
        cancelled.store(false, ordering: .relaxed)
        return try body(upscaler)
    }

    func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// A progress closure that stops when it is told to, by the callback or from elsewhere.
    func progress(_ callback: enlarger_progress?, _ context: UnsafeMutableRawPointer?) -> (Double) throws -> Void {
        { done in
            if let callback, callback(context, done) != 0 { throw EnlargerError(.cancelled, "stopped by the progress callback") }
            if self.cancelled.load(ordering: .relaxed) { throw EnlargerError(.cancelled, "cancelled") }
        }
    }

    func setNotes(_ texts: [String]) { notes.withLock { $0 = Strings(texts) } }
    var noteCount: Int { notes.withLock { $0.count } }
    func note(_ index: Int) -> UnsafePointer<CChar>? { notes.withLock { $0[index] } }
}

/// C strings that live as long as this.
final class Strings: @unchecked Sendable {  // never changes
    private let pointers: [UnsafeMutablePointer<CChar>]

    init(_ texts: [String]) { pointers = texts.map { strdup($0)! } }
    deinit { for pointer in pointers { free(pointer) } }

    var count: Int { pointers.count }
    subscript(index: Int) -> UnsafePointer<CChar>? { pointers.indices.contains(index) ? UnsafePointer(pointers[index]) : nil }
}
