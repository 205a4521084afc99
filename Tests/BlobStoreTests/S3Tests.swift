import BlobStore
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

extension Stores {
    /// What can go wrong between here and a store.
    @Suite(.enabled(if: S3Server.python != nil, "S3's test server is not installed: scripts/install-test-packages"))
    struct `S3` {
        private func store(_ patience: Duration = .seconds(30)) throws -> S3Store {
            let bucket = "failing-" + UUID().uuidString.lowercased().prefix(8)
            try S3Server.shared.store(bucket: bucket).makeBucket()
            var settings = try S3Server.shared.settings(bucket: bucket)
            settings.patience = patience
            return S3Store(settings)
        }

        @Test func `tries again after errors of the store`() throws {
            let store = try store()
            let bytes = noise(9 << 20)
            for failures in [1, 4] {
                try S3Server.shared.order(#"{"failures": \#(failures)}"#)
                let blob = try store.create("a")
                _ = bytes.withUnsafeBytes { write(blob.descriptor, $0.baseAddress!, $0.count) }
                #expect(try blob.finish() == bytes.count)
                try S3Server.shared.order(#"{"failures": \#(failures)}"#)
                #expect(try store.get("a") == bytes)
                try S3Server.shared.order(#"{"failures": \#(failures)}"#)
                #expect(try store.info("a")?.byteCount == bytes.count)
            }
        }

        @Test func `goes on where a download was cut off`() throws {
            let store = try store()
            let bytes = noise(5_000_001)
            try store.put("a", bytes)
            try S3Server.shared.order(#"{"cut": 5}"#)
            #expect(try store.get("a") == bytes)
            try S3Server.shared.order(#"{"cut": 0}"#)
        }

        @Test func `gives up on a store that stays away, and says so`() throws {
            let store = try store(.milliseconds(400))
            try S3Server.shared.order(#"{"away": true}"#)
            defer { try? S3Server.shared.order(#"{"away": false}"#) }
            for action in [
                { _ = try store.get("a") }, { try store.put("a", [1]) }, { _ = try store.info("a") },
                { try store.remove("a") },
            ] {
                let error = #expect(throws: EnlargerError.self) { try action() }
                #expect(
                    error?.code == .storeUnavailable && error?.message.contains("s3://failing-") == true,
                    "\(error as Any)")
            }
        }

        @Test func `says when the store is full, and leaves nothing`() throws {
            let store = try store()
            try S3Server.shared.order(#"{"full": true}"#)
            defer { try? S3Server.shared.order(#"{"full": false}"#) }
            for count in [10, 9 << 20] {
                let error = #expect(throws: EnlargerError.self) { try store.put("a", noise(count)) }
                #expect(error?.code == .diskFull && error?.message.contains("StorageFull") == true)
            }
            try S3Server.shared.order(#"{"full": false}"#)
            #expect(try store.info("a") == nil)
        }

        @Test func `says when the credentials are wrong`() throws {
            let store = S3Store(try S3Server.shared.settings(bucket: "some-bucket", secret: "wrong"))
            let error = #expect(throws: EnlargerError.self) { try store.put("a", [1]) }
            #expect(error?.code == .accessRefused && error?.message.contains("SignatureDoesNotMatch") == true)
        }

        @Test func `says when there is no such bucket`() throws {
            let store = S3Store(try S3Server.shared.settings(bucket: "no-such-bucket"))
            let error = #expect(throws: EnlargerError.self) { try store.put("a", [1]) }
            #expect(error?.code == .blobNotFound && error?.message.contains("NoSuchBucket") == true, "\(error as Any)")
        }

        @Test(arguments: [
            "s3://", "s3://x", "s3://UPPER", "http://bucket", "s3://buck et/x", "s3://bucket//x", "s3://bucket/../x",
        ])
        func `takes no address that is none`(_ address: String) {
            let error = #expect(throws: EnlargerError.self) { _ = try S3Settings(address: address) }
            #expect(error?.code == .usage)
        }

        @Test func `lists more than one page`() throws {
            let store = try store()
            for number in 0..<1100 { try store.put("many/\(number)", []) }
            var count = 0
            try store.list("many/") { _ in
                count += 1
                return true
            }
            #expect(count == 1100)
        }
    }
}
