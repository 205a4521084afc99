import Tensors

/// A node that cannot be read, and why.
package struct ModelProblem: Sendable, Equatable {
    package var node: String
    package var operation: String
    package var reason: String

    /// One error that names every node, the first few with their reasons.
    static func error(_ problems: [ModelProblem]) -> EnlargerError {
        let told = problems.prefix(8).map { "node \"\($0.node)\": \($0.reason)" }.joined(separator: "; ")
        let more = problems.count > 8 ? "; and \(problems.count - 8) more: " + problems[8...].prefix(40).map { "\"\($0.node)\"" }.joined(separator: ", ") : ""
        return EnlargerError(.modelUnsupported, told + more + (problems.count > 48 ? ", ..." : ""))
    }
}

/// What a model file holds, found without reading its weights.
package struct ModelInspection: Sendable, Equatable {
    /// How many nodes of each kind, by the file's own names.
    package var operations: [String: Int]
    /// Elements of all floating-point tensors.
    package var parameters: Int
    /// Every node that cannot be read; empty for a network that can run.
    package var problems: [ModelProblem]
}
