import Tensors

/// The flags of Real-ESRGAN-ncnn-vulkan and its relatives (`-i -o -n -m -s -t -g -j -x -f`), said in ours, so that scripts
/// written for them run unchanged. `-o`, `-s`, `-x` and `-f` mean the same already.
struct Habits {
    /// The same command in our words.
    private(set) var words: [String] = []
    /// What the user should know of it.
    private(set) var notes: [String] = []

    /// - Throws: `usage`, for a value that they would refuse too.
    init(_ words: [String]) throws(EnlargerError) {
        var inputs: [String] = [], name: String?, folder: String?
        var index = 0
        func next(_ flag: String) throws(EnlargerError) -> String {
            index += 1
            guard index < words.count else { throw EnlargerError(.usage, "\(flag) needs a value") }
            return words[index]
        }
        let isNamed = words.contains("-n")
        while index < words.count, words[index] != "--" {
            switch words[index] {
            case "-i": inputs.append(try next("-i"))
            case "-n": name = try next("-n")
            // With -n it is the folder of models, as they have it; without, our model.
            case "-m" where isNamed: folder = try next("-m")
            case "-t": notes.append(try Habits.tiles(next("-t")))
            case "-g": self.words += ["--device", try Habits.device(next("-g"))]
            case "-j": self.words += ["--threads", try Habits.threads(next("-j"))]
            default: self.words.append(words[index])
            }
            index += 1
        }
        if let name { self.words += ["--model", name] }
        if let folder { self.words += ["--models", folder] }
        self.words += words[index...]
        if !inputs.isEmpty {
            if !self.words.contains("--") { self.words.append("--") }
            self.words += inputs
        }
    }

    /// Their tile sizes, one for each GPU; 0 lets them choose.
    private static func tiles(_ text: String) throws(EnlargerError) -> String {
        guard text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy({ Int($0).map { $0 >= 0 } ?? false }) else {
            throw EnlargerError(.usage, "-t \(text): a tile size such as 200 is meant (and is not needed here)")
        }
        return "-t \(text): no tiles are needed; --memory bounds the memory, and the result is that of the whole picture"
    }

    /// -1 is their CPU. Of several devices the first is taken.
    private static func device(_ text: String) throws(EnlargerError) -> String {
        if text == "auto" { return "auto" }
        guard let number = text.split(separator: ",", omittingEmptySubsequences: false).first.flatMap({ Int($0) }), number >= -1 else {
            throw EnlargerError(.usage, "-g \(text): auto, -1 for the CPU, or a GPU's number are meant")
        }
        return number < 0 ? "cpu" : "vulkan:\(number)"
    }

    /// `load:proc:save`: reading and writing need no threads of their own here. Of several numbers for `proc` the first is taken.
    private static func threads(_ text: String) throws(EnlargerError) -> String {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return text }
        guard parts.count == 3, let count = parts[1].split(separator: ",").first else {
            throw EnlargerError(.usage, "-j \(text): a number of threads, or load:proc:save is meant")
        }
        return String(count)
    }
}
