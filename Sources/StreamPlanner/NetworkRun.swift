/// A device's run of one plan: rows of float32 in, rows of float32 out, in the memory that the plan names.
///
/// One run at a time; the object can run again, on another picture of the same size.
package protocol NetworkRun: AnyObject {
    var plan: Plan { get }

    /// Streams the picture through.
    ///
    /// - Parameters:
    ///   - fill: called for every strip of the first pass in turn, and in it for every input row in order: writes the columns
    ///     `strip.input`.
    ///   - deliver: called for every output (by its index in `graph.outputs`), in every strip of the pass that makes it, for
    ///     each of its rows in order; the view holds the columns of `strip.core`, enlarged.
    ///   - progress: told the finished part, 0...1, after every step.
    func run(
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void,
        progress: (Double) throws -> Void
    ) throws
}

extension NetworkRun {
    package func run(
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void
    ) throws {
        try run(fill: fill, deliver: deliver, progress: { _ in })
    }
}
