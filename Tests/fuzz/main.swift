import Enlarger
import Glibc

// FUZZ_FORMAT=onnx fuzz-models [libFuzzer's arguments]    or    fuzz-models seeds FOLDER
// A variable, since libFuzzer starts itself again (-merge, -jobs) with the arguments that it has.

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
} else if let chosen = processVariable("FUZZ_FORMAT").flatMap(Format.init(rawValue:)) {
    format = chosen
    var count = CommandLine.argc, arguments = CommandLine.unsafeArgv
    exit(runFuzzer(&count, &arguments) { start, count in
        format.test(Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
    })
} else {
    fatalError("FUZZ_FORMAT is one of \(Format.allCases.map(\.rawValue).joined(separator: ", "))")
}
