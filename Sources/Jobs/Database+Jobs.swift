import Glibc
import Tensors

/// The file of the jobs: its schema, how it is made, and what is checked before it is used.
extension Database {
    /// `PRAGMA application_id`: "ENLJ".
    private static let application: Int64 = 0x454E_4C4A
    /// `PRAGMA user_version`: the version of the schema.
    private static let version: Int64 = 1

    /// Opens the folder's database, made where there is none. It appears under its name when it is complete, so an
    /// empty file of that name is damage, not a beginning.
    ///
    /// - Throws: `dataUnusable` when it is damaged, of a newer version, or no database of jobs; nothing is changed then.
    static func jobs(in folder: DataFolder) throws(EnlargerError) -> Database {
        let path = folder.database
        var status = stat()
        if lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw fileError(path) }
            try refuseForeignFiles(in: folder)
            try make(path, in: folder)
        } else if status.st_size == 0 {
            throw damaged(path, "it is empty")
        }
        // Closing a connection that may write moves the log into the file, be it damaged or not.
        try Database(path: path, isReadOnly: true).check()
        let database = try Database(path: path)
        try database.run("PRAGMA trusted_schema = OFF")
        try database.run("PRAGMA cell_size_check = ON")
        // A commit is durable when it returns.
        try database.run("PRAGMA synchronous = FULL")
        // A short log: it has to fit on a disk that is nearly full.
        try database.run("PRAGMA wal_autocheckpoint = 200")
        try database.run("PRAGMA foreign_keys = ON")
        return database
    }

    private func check() throws(EnlargerError) {
        try run("PRAGMA trusted_schema = OFF")
        try run("PRAGMA cell_size_check = ON")
        let application = try rows("PRAGMA application_id") { row in row.integer(0) ?? 0 }.first
        let version = try rows("PRAGMA user_version") { row in row.integer(0) ?? 0 }.first ?? 0
        guard application == Self.application else {
            throw EnlargerError(.dataUnusable, "\(path) is an SQLite database, but none of jobs: it is left alone")
        }
        guard version <= Self.version else {
            throw EnlargerError(
                .dataUnusable,
                "\(path) is of version \(version), and this program knows versions up to \(Self.version): use the newer program again"
            )
        }
        guard version == Self.version else { throw Self.damaged(path, "version \(version)") }
        let tables = try rows(
            """
            SELECT sql FROM sqlite_schema
            WHERE sql IS NOT NULL AND sql <> 'CREATE TABLE sqlite_sequence(name,seq)' ORDER BY rowid
            """
        ) { row in row.text(0) }
        guard tables == Self.tables.map({ "\($0)" }) else { throw Self.damaged(path, "its tables are not the jobs'") }
        let findings = try rows("PRAGMA integrity_check(1)") { row in row.text(0) ?? "" }
        guard findings == ["ok"] else { throw Self.damaged(path, findings.first ?? "no answer") }
    }

    /// Without a database nothing says what the files are: they are not swept away as orphans. A log without its
    /// database may hold jobs, and would be taken for the new one's.
    private static func refuseForeignFiles(in folder: DataFolder) throws(EnlargerError) {
        let log = folder.database + "-wal"
        guard fileSize(log) ?? 0 == 0 else {
            throw EnlargerError(
                .dataUnusable,
                "\(folder.database) is missing, but its log \(log) is there: restore it from a copy, "
                    + "or move \(folder.path) away")
        }
        let count = try folderNames(folder.inputs).count + folderNames(folder.results).count
        guard count == 0 else {
            throw EnlargerError(
                .dataUnusable,
                "\(folder.database) is missing, but \(count) files of jobs are there: restore it from a copy, or move \(folder.path) away"
            )
        }
    }

    private static func make(_ path: String, in folder: DataFolder) throws(EnlargerError) {
        let unfinished = path + ".new"
        let names = ["", "-journal", "-wal", "-shm"].map { unfinished + $0 }
        for name in names { unlink(name) }
        let descriptor = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw fileError(unfinished) }
        close(descriptor)
        do throws(EnlargerError) {
            let database = try Database(path: unfinished)
            try database.transaction { () throws(EnlargerError) in
                for statement in tables { try database.run(statement) }
                try database.run("PRAGMA application_id = 0x454E4C4A")
                try database.run("PRAGMA user_version = 1")
            }
            // Stays with the file.
            try database.run("PRAGMA journal_mode = WAL")
        } catch {
            for name in names { unlink(name) }
            throw error
        }
        guard rename(unfinished, path) == 0 else { throw fileError(path) }
        try synchronizeFolder(folder.path)
    }

    /// Times are milliseconds since 1970. The sequence is the order of submission. `ready` is when a queued job may be
    /// claimed, 0 where it need not wait; `token` and `lease` are those of the last claim.
    private static var tables: [StaticString] {
        [
            """
            CREATE TABLE jobs (
                sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
                owner TEXT NOT NULL, name TEXT, model TEXT NOT NULL, scale INTEGER NOT NULL, format TEXT NOT NULL,
                input_width INTEGER NOT NULL, input_height INTEGER NOT NULL,
                width INTEGER NOT NULL, height INTEGER NOT NULL,
                input_bytes INTEGER NOT NULL, planned_bytes INTEGER NOT NULL, expected_seconds REAL,
                state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
                progress REAL NOT NULL, created INTEGER NOT NULL, started INTEGER, finished INTEGER, expires INTEGER,
                seconds REAL, result_bytes INTEGER, attempts INTEGER NOT NULL, problem_code TEXT, problem_message TEXT,
                ready INTEGER NOT NULL, worker TEXT, token TEXT, lease INTEGER
            ) STRICT
            """,
            """
            CREATE TABLE parameters (
                job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
                PRIMARY KEY (job, key)
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX jobs_by_state ON jobs (state, sequence)",
            "CREATE INDEX jobs_by_owner ON jobs (owner, sequence)",
            "CREATE INDEX jobs_by_expiry ON jobs (expires) WHERE expires IS NOT NULL",
        ]
    }
}
