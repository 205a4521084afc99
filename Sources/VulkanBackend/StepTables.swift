import NetworkGraph
import StreamPlanner

/// Where each node's table stands, and what it may hold: for one step, which rows are made and in which slots they and
/// their inputs are. `rows.slang` reads it.
struct StepTables {
    /// A table's header, in words.
    static let headerWords = 16

    struct Table {
        /// In words from the start of all tables.
        var start: Int
        /// Words from the table's start to the list of the output's rows and of each input's.
        var output: Int
        var inputs: [Int]
        /// Rows that fit in them.
        var outputRows: Int
        var inputRows: [Int]
    }
    /// One for each node.
    private(set) var nodes: [Table] = []
    /// One for each output of the graph: its rows on their way to the host.
    private(set) var ports: [Table] = []
    private(set) var byteCount = 0

    init(graph: NetworkGraph, height: Int, bandRows: Int) {
        var words = 0
        func table(_ rows: Int, _ inputRows: [Int]) -> Table {
            var next = Self.headerWords + rows, lists: [Int] = []
            for count in inputRows {
                lists.append(next)
                next += count
            }
            defer { words += (next + 3) / 4 * 4 }
            return Table(start: words, output: Self.headerWords, inputs: lists, outputRows: rows, inputRows: inputRows)
        }
        func most(_ node: Int) -> Int { graph.scales[node] * min(bandRows, height) }
        for (n, node) in graph.nodes.enumerated() {
            nodes.append(table(most(n), node.inputs.indices.map { node.operation.needed(.rows, input: $0, for: 0..<most(n)).count + 2 }))
        }
        for output in graph.outputs { ports.append(table(0, [most(output.node)])) }
        byteCount = (words * 4 + 63) / 64 * 64
    }
}

/// A header, word by word as `Call` of `rows.slang` has it.
struct CallHeader {
    var rows = 0
    var firstRow = 0
    var column = 0
    var columns = 0
    var firstColumn = 0
    var inputOrigin = 0
    var outputOrigin = 0
    var inputRow = 0
    var inputRows = 0
    var inputWidth = 0
    var outputWidth = 0

    func write(to words: UnsafeMutablePointer<Int32>) {
        let all = [rows, firstRow, column, columns, firstColumn, inputOrigin, outputOrigin, inputRow, inputRows, inputWidth, outputWidth]
        for (i, value) in all.enumerated() { words[i] = Int32(value) }
    }
}

/// What stands where in a run's host-visible memory: the status word, then for each band on its way its tables, its input
/// and its outputs.
struct HostLayout {
    let tableBytes: Int
    let inputBytes: Int
    let outputBytes: [Int]
    private let bandBytes: Int
    var byteCount: Int { 64 + VulkanDevice.bandsInFlight * bandBytes }

    init(tableBytes: Int, inputBytes: Int, outputBytes: [Int]) {
        func rounded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
        self.tableBytes = tableBytes
        self.inputBytes = rounded(inputBytes)
        self.outputBytes = outputBytes.map(rounded)
        bandBytes = self.tableBytes + self.inputBytes + self.outputBytes.reduce(0, +)
    }

    /// The status word, and what rounding may add.
    static func fixedBytes(outputs: Int) -> Int { 64 + VulkanDevice.bandsInFlight * (outputs + 1) * 64 }

    func tables(_ band: Int) -> Int { 64 + band * bandBytes }
    func input(_ band: Int) -> Int { tables(band) + tableBytes }
    func output(_ band: Int, _ index: Int) -> Int { input(band) + inputBytes + outputBytes[..<index].reduce(0, +) }
}
