import CSQLite
import Glibc
import Tensors

/// A value of a row or of a parameter.
enum DatabaseValue {
    case integer(Int64)
    case real(Double)
    case text(String)
    case null

    static func optional(_ value: Int64?) -> DatabaseValue { value.map { .integer($0) } ?? .null }
    static func optional(_ value: Double?) -> DatabaseValue { value.map { .real($0) } ?? .null }
    static func optional(_ value: String?) -> DatabaseValue { value.map { .text($0) } ?? .null }
}

/// One connection to an SQLite file, for one thread at a time: its owner has the lock. Statements are constants and prepared once; values are
/// bound.
final class Database: @unchecked Sendable {
    let path: String
    private let handle: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]

    /// Opens a file that is there.
    init(path: String, isReadOnly: Bool = false) throws(EnlargerError) {
        self.path = path
        var opened: OpaquePointer?
        let access = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW
        let status = sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened else { throw EnlargerError(.allocationFailed, "\(path): no memory for a connection") }
        handle = opened
        guard status == SQLITE_OK else { throw error() }
        sqlite3_busy_timeout(handle, 5000)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Runs a statement and gives its rows to `row`.
    func rows<Value>(
        _ sql: StaticString, _ values: [DatabaseValue] = [], _ row: (DatabaseRow) throws(EnlargerError) -> Value
    ) throws(EnlargerError) -> [Value] {
        let statement = try prepare(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { try bind(value, to: statement, Int32(index + 1)) }
        var found: [Value] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: found.append(try row(DatabaseRow(statement: statement)))
            case SQLITE_DONE: return found
            default: throw error()
            }
        }
    }

    /// - Returns: how many rows the statement changed.
    @discardableResult
    func run(_ sql: StaticString, _ values: [DatabaseValue] = []) throws(EnlargerError) -> Int {
        _ = try rows(sql, values) { _ in () }
        return Int(sqlite3_changes(handle))
    }

    /// All of `body` or nothing of it.
    func transaction<Value>(_ body: () throws(EnlargerError) -> Value) throws(EnlargerError) -> Value {
        try run("BEGIN IMMEDIATE")
        do throws(EnlargerError) {
            let value = try body()
            try run("COMMIT")
            return value
        } catch {
            // Some failures have rolled back already.
            if sqlite3_get_autocommit(handle) == 0 { _ = try? run("ROLLBACK") }
            throw error
        }
    }

    private func prepare(_ sql: StaticString) throws(EnlargerError) -> OpaquePointer {
        let text = "\(sql)"
        if let ready = statements[text] { return ready }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK,
            let statement
        else {
            throw error()
        }
        statements[text] = statement
        return statement
    }

    private func bind(_ value: DatabaseValue, to statement: OpaquePointer, _ index: Int32) throws(EnlargerError) {
        let status =
            switch value {
            case .integer(let number): sqlite3_bind_int64(statement, index, number)
            case .real(let number): sqlite3_bind_double(statement, index, number)
            case .null: sqlite3_bind_null(statement, index)
            case .text(let text):
                text.withCString { cs_bind_text(statement, index, $0, Int32(clamping: text.utf8.count)) }
            }
        guard status == SQLITE_OK else { throw error() }
    }

    /// The connection's last error.
    private func error() -> EnlargerError {
        let code = sqlite3_errcode(handle) & 0xff
        let number = sqlite3_system_errno(handle)
        let reason = String(cString: sqlite3_errmsg(handle))
        switch code {
        case SQLITE_FULL: return EnlargerError(.diskFull, "\(path): no room on the disk")
        case SQLITE_IOERR where number == ENOSPC || number == EDQUOT || number == EFBIG:
            return EnlargerError(.diskFull, "\(path): \(String(cString: strerror(number)))")
        case SQLITE_CORRUPT, SQLITE_NOTADB: return Self.damaged(path, reason)
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM: return EnlargerError(.dataUnusable, "\(path): \(reason)")
        default: return EnlargerError(.outputFailed, "\(path): \(reason)")
        }
    }

    static func damaged(_ path: String, _ reason: String) -> EnlargerError {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        return EnlargerError(
            .dataUnusable,
            "the job database \(path) is damaged (\(reason)); nothing was changed: restore it from a copy, "
                + "or move \(folder) away to begin with an empty one")
    }
}

/// The row that a statement stands on; valid until its next step.
struct DatabaseRow {
    fileprivate let statement: OpaquePointer

    func integer(_ column: Int32) -> Int64? { isNull(column) ? nil : sqlite3_column_int64(statement, column) }
    func real(_ column: Int32) -> Double? { isNull(column) ? nil : sqlite3_column_double(statement, column) }
    func text(_ column: Int32) -> String? {
        guard let bytes = sqlite3_column_text(statement, column) else { return nil }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
    private func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
}
