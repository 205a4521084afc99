import BlobStore
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

/// One test at a time: what is ordered of the one S3 server is meant for one of them.
@Suite(.serialized) enum Stores {}

extension Stores {
    /// What every store does, in words of the protocol alone.
    @Suite struct `A blob store` {
        @Test(arguments: StoreKind.all)
        func `gives back what it was given`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            for (number, count) in [0, 1, 5, 1000, 300_001].enumerated() {
                let bytes = noise(count, seed: UInt64(number) + 1)
                try fixture.store.put("a/blob \(number)", bytes)
                #expect(try fixture.store.get("a/blob \(number)") == bytes)
                #expect(try fixture.store.info("a/blob \(number)")?.byteCount == count)
            }
        }

        @Test(arguments: StoreKind.all)
        func `takes keys of every kind`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            let keys = [
                "a0", "A", "b/c/d", "b/c e", "b+c", "100%", "%41", "a=b&c", "a?b#c", "\u{E9}", "e\u{301}",
                "\u{1F30A}/\u{6D77}", "~-_.", "x;y,z", "'\"<>",
                "(a)*!@$:", "...", "d/.../b", "\\", "{}[]|^`",
            ]
            for key in keys { try fixture.store.put(key, Array(key.utf8)) }
            for key in keys { #expect(try fixture.store.get(key) == Array(key.utf8), "\(key)") }
            let found = try fixture.keys()
            #expect(
                found.count == keys.count
                    && found.allSatisfy { key in keys.contains { $0.utf8.elementsEqual(key.utf8) } }, "\(found)")
            #expect(
                found.map { Array($0.utf8) } == found.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
            )
            for key in keys { try fixture.store.remove(key) }
            #expect(try fixture.keys() == [])
        }

        @Test(
            arguments: StoreKind.all,
            [
                "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\nb", "a\u{0}b",
                String(repeating: "a", count: 901),
            ])
        func `takes no other keys`(_ kind: StoreKind, _ key: String) throws {
            let fixture = try StoreFixture(kind)
            #expect(throws: EnlargerError.self) { try fixture.store.put(key, [1]) }
            #expect(throws: EnlargerError.self) { try fixture.store.get(key) }
            #expect(throws: EnlargerError.self) { try fixture.store.remove(key) }
            #expect(throws: EnlargerError.self) { try fixture.store.info(key) }
        }

        @Test(arguments: StoreKind.all)
        func `says so when there is nothing`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            #expect(try fixture.store.info("none") == nil)
            try fixture.store.remove("none")
            let error = #expect(throws: EnlargerError.self) { try fixture.store.open("none") }
            #expect(error?.code == .blobNotFound)
            #expect(try fixture.keys("no/such") == [])
        }

        @Test(arguments: StoreKind.all)
        func `replaces a blob at once, and its tag with it`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            try fixture.store.put("a", [1])
            let tag = try fixture.store.info("a")?.tag
            let file = try fixture.store.open("a")
            defer { close(file) }
            try fixture.store.put("a", [2, 3])
            #expect(try fixture.store.get("a") == [2, 3])
            #expect(try fixture.store.info("a")?.tag != tag)
            var byte: UInt8 = 0
            #expect(read(file, &byte, 1) == 1 && byte == 1)
        }

        @Test(arguments: StoreKind.all)
        func `lists by prefix, in order, until told to stop`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            let keys = ["a", "b/1", "b/2", "b/c/3", "b-x", "ba", "c"]
            for key in keys.reversed() { try fixture.store.put(key, [0]) }
            #expect(try fixture.keys() == ["a", "b-x", "b/1", "b/2", "b/c/3", "ba", "c"])
            #expect(try fixture.keys("b/") == ["b/1", "b/2", "b/c/3"])
            #expect(try fixture.keys("b/c") == ["b/c/3"])
            #expect(try fixture.keys("b") == ["b-x", "b/1", "b/2", "b/c/3", "ba"])
            var seen = 0
            try fixture.store.list("") { _ in
                seen += 1
                return seen < 3
            }
            #expect(seen == 3)
        }

        @Test(arguments: StoreKind.all)
        func `grows a blob in parts, and shows it when it is whole`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            let bytes = noise(17 << 20)
            let blob = try fixture.store.create("big/one")
            for start in stride(from: 0, to: bytes.count, by: 3 << 20) {
                _ = bytes[start..<min(start + 3 << 20, bytes.count)].withUnsafeBytes {
                    write(blob.descriptor, $0.baseAddress!, $0.count)
                }
                try blob.advance(to: min(start + 3 << 20, bytes.count))
                #expect(try fixture.store.info("big/one") == nil && fixture.keys() == [])
            }
            #expect(try blob.finish() == bytes.count)
            #expect(try fixture.store.get("big/one") == bytes)
        }

        @Test(arguments: StoreKind.all)
        func `forgets a blob that is not finished`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            try fixture.store.put("x/other", [1])
            for isLarge in [false, true] {
                for isDropped in [false, true] {
                    let blob = try fixture.store.create("x/y/z")
                    let bytes = noise(isLarge ? 9 << 20 : 100)
                    _ = bytes.withUnsafeBytes { write(blob.descriptor, $0.baseAddress!, $0.count) }
                    try blob.advance(to: bytes.count)
                    if !isDropped { blob.cancel() }
                }
            }
            #expect(try fixture.keys() == ["x/other"])
            #expect(
                try FileManager.default.subpathsOfDirectory(atPath: fixture.path).allSatisfy { !$0.contains("part") })
            try fixture.store.remove("x/other")
            #expect(try FileManager.default.subpathsOfDirectory(atPath: fixture.path) == [])
        }

        @Test(arguments: StoreKind.all)
        func `sweeps what never ended, but not what may be on its way`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            let blob = try fixture.store.create("s/a")
            let bytes = noise(9 << 20)
            _ = bytes.withUnsafeBytes { write(blob.descriptor, $0.baseAddress!, $0.count) }
            try blob.advance(to: bytes.count)
            try fixture.store.sweep("s/", olderThan: 3600)
            try fixture.store.sweep("other/", olderThan: -10)
            try fixture.store.put("s/b", [1])
            #expect(try blob.finish() == bytes.count)
            let second = try fixture.store.create("s/c")
            _ = bytes.withUnsafeBytes { write(second.descriptor, $0.baseAddress!, $0.count) }
            try second.advance(to: bytes.count)
            try fixture.store.sweep("s/", olderThan: -10)
            #expect(throws: EnlargerError.self) { try second.finish() }
            #expect(try fixture.keys() == ["s/a", "s/b"])
        }

        @Test(arguments: StoreKind.all)
        func `checks that it can be used`(_ kind: StoreKind) throws {
            let fixture = try StoreFixture(kind)
            try fixture.store.check()
            #expect(try fixture.keys() == [])
        }
    }
}
