import Enlarger
import Tensors
import Testing

struct ModelLibraryTests {
    private let root = TemporaryFolder()

    private func library(extra: [String] = ["extra"], variable: String? = "first:second") -> ModelLibrary {
        ModelLibrary(extraFolders: extra.map(root.file)) { [root] name in
            switch name {
            case "ENLARGE_MODELS": variable.map { $0.split(separator: ":").map { root.file(String($0)) }.joined(separator: ":") }
            case "XDG_DATA_HOME": root.file("data")
            default: nil
            }
        }
    }

    @Test func `folders come in their order: given, ENLARGE_MODELS, the user's`() {
        let expected = ["extra", "first", "second", "data/enlarger/models"].map(root.file)
        #expect(Array(library().folders.prefix(4)) == expected)
        #expect(library(extra: [], variable: nil).folders.first == root.file("data/enlarger/models"))
    }

    @Test func `the user's folder is XDG_DATA_HOME's, else the home's`() {
        #expect(ModelLibrary.userFolder { $0 == "HOME" ? "/home/a" : nil } == "/home/a/.local/share/enlarger/models")
        #expect(ModelLibrary.userFolder { $0 == "HOME" ? "/home/a" : "/data" } == "/data/enlarger/models")
    }

    @Test func `an earlier folder wins`() throws {
        var written = ""
        for folder in ["data/enlarger/models", "second", "first", "extra"] {
            written = root.write([1], "\(folder)/lite-x3.safetensors")
            #expect(try library().path(for: "lite-x3", scale: nil) == written)
        }
        #expect(library().list().filter { $0.name == "lite-x3" }.map(\.path) == [written])
    }

    @Test func `names go with and without their scale`() throws {
        let native = root.write([1], "first/lite-x3.safetensors"), published = root.write([1], "first/EDSR_x3.pb")
        let double = root.write([1], "second/lite-x2.safetensors")
        let library = library()
        #expect(try library.path(for: "lite-x3", scale: nil) == native)
        #expect(try library.path(for: "lite", scale: 3) == native)
        #expect(try library.path(for: "lite", scale: nil) == double)
        #expect(try library.path(for: "EDSR", scale: 3) == published)
        #expect(try library.path(for: "EDSR_x3", scale: 3) == published)
        #expect(try library.path(for: "EDSR_x3.pb", scale: nil) == published)
        #expect(try library.path(for: published, scale: nil) == published)
    }

    @Test func `a model without x2 is found by its name, and an error says its scales`() throws {
        let triple = root.write([1], "first/base-x3.safetensors")
        root.write([1], "second/base_x4.onnx")
        #expect(try library().path(for: "base", scale: nil) == triple)
        let error = #expect(throws: EnlargerError.self) { try library().path(for: "base", scale: 2) }
        #expect(error?.message == "model base for x2 was not found; there is base-x3, base_x4")
    }

    @Test func `the native format wins over others of its name`() throws {
        root.write([1], "first/a.pb")
        let native = root.write([1], "first/a.safetensors")
        #expect(try library().path(for: "a", scale: nil) == native)
    }

    @Test func `an error names the model, its scale and every place`() {
        let library = library()
        let error = #expect(throws: EnlargerError.self) { try library.path(for: "nothing", scale: 4) }
        #expect(error?.code == .modelNotFound)
        for part in library.folders + ["nothing", "x4"] { #expect(error?.message.contains(part) == true) }
    }

    @Test func `a path that does not exist is not searched for by name`() {
        root.write([1], "first/a.pb")
        let error = #expect(throws: EnlargerError.self) { try library().path(for: root.file("a.pb"), scale: nil) }
        #expect(error?.code == .modelNotFound)
    }

    @Test func `partial downloads and other files are not listed`() {
        root.write([1], "data/enlarger/models/EDSR_x2.pb.part")
        root.write([1], "data/enlarger/models/README")
        let listed = root.write([1], "data/enlarger/models/EDSR_x2.pb")
        let names = library().list().filter { $0.path.hasPrefix(root.path) }
        #expect(names.map(\.name) == ["EDSR_x2"] && names.map(\.path) == [listed])
    }
}
