import Glibc

// fuzz-models FORMAT [libFuzzer's arguments]    or    fuzz-models seeds FOLDER

/// libFuzzer's own main, for programs that have one already (LLVM's documentation, "Using libFuzzer as a library").
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Set once, before the first input.
nonisolated(unsafe) private var format = Format.onnx

let words = CommandLine.arguments
if words.count == 3, words[1] == "seeds" {
    try Seeds.write(to: words[2])
} else if words.count > 1, let chosen = Format(rawValue: words[1]) {
    format = chosen
    // The format takes the place of the program's name.
    var count = CommandLine.argc - 1, arguments = CommandLine.unsafeArgv + 1
    exit(runFuzzer(&count, &arguments) { start, count in
        format.test(Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
    })
} else {
    fatalError("fuzz-models \(Format.allCases.map(\.rawValue).joined(separator: "|")) [arguments], or fuzz-models seeds FOLDER")
}
