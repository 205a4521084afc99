/// A device's run of one plan: rows of float32 in, rows of float32 out, in the memory that the plan names.
///
/// One run at a time; the object can run again, on another picture of the same size.
package protocol NetworkRun: AnyObject {
    var plan: Plan { get }

    /// Streams the picture through.
    ///
    /// - Parameters:
    ///   - fill: called for every strip in turn, and in it for every input row in order: writes the columns `strip.input`.
    ///   - deliver: called for every output (by its index in `graph.outputs`) and each of its rows in order;
    ///     the view holds the columns of `strip.core`, enlarged.
    func run(
        fill: (_ strip: Int, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Int, _ output: Int, _ row: Int, _ view: RowView) throws -> Void
    ) throws
}
