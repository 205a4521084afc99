import CPUBackend
import Enlarger
import StreamPlanner
import Tensors

enum PlanCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(
            words, withValue: SharedFlags.withValue.merging(SharedFlags.pictureWithValue) { a, _ in a }.merging(["--runs": "--runs"]) { a, _ in a },
            alone: SharedFlags.alone.merging(["--alpha": "--alpha"]) { a, _ in a })
        guard arguments.positional.isEmpty else { throw EnlargerError(.usage, "plan takes no picture; --size WxH says how large it is") }
        guard let picture = try arguments.size("--size") else { throw EnlargerError(.usage, "plan needs --size WxH") }
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        let upscaler = try Upscaler(options: SharedFlags.options(arguments))
        let runs = try arguments.integer("--runs", in: 1...100_000) ?? 1
        guard runs == 1 || upscaler.device.isGPU else { throw EnlargerError(.usage, "--runs is for GPUs") }
        let kind = PictureKind(colourChannels: 3, hasAlpha: arguments.has("--alpha"))
        let planner = try upscaler.planner(width: picture.width, height: picture.height, kind: kind, bits: 8)
        // In tiles: the plan of one, as often as there are tiles.
        let tiling = upscaler.options.tiling, side = tiling?.size ?? .max
        let size = (width: min(picture.width, side), height: min(picture.height, side))
        let tiles = tiling?.tileCount(width: picture.width, height: picture.height)
        let minimum = planner.minimumBytes(width: size.width, height: size.height)
        let budget = upscaler.device.budget(upscaler.options.memory, runs: runs, planner.graph)
        do throws(EnlargerError) {
            let plan = try planner.plan(width: size.width, height: size.height, budget: budget)
            let expected = plan.seconds * upscaler.device.slowness * Double(tiles ?? 1)
            // Weights are there once, however many run.
            let concurrent = upscaler.device.isGPU
                ? upscaler.device.budget(upscaler.options.memory, perAllocation: false).map { ($0 - plan.weightsBytes) / plan.runBytes } : nil
            console.json([
                ("fits", .boolean(true)), ("planned_bytes", .integer(plan.plannedBytes)), ("minimum_bytes", .integer(minimum)),
                ("weights_bytes", .integer(plan.weightsBytes)), ("activation_bytes", .integer(plan.activationBytes)),
                ("scratch_bytes", .integer(plan.scratchBytes)), ("io_bytes", .integer(plan.ioBytes)), ("band_rows", .integer(plan.bandRows)),
                ("strips", .integer(plan.stripCount)), ("passes", .integer(plan.passes.count)),
                ("temporary_bytes", .integer(plan.temporaryBytes)), ("expected_seconds", .number(expected)),
            ] + (concurrent.map { [("concurrent_runs", .integer($0))] } ?? []) + (tiles.map { [("tiles", .integer($0))] } ?? []))
            console.say(
                """
                \(upscaler.modelName) x\(upscaler.scale) on \(picture.width) x \(picture.height)\(tiles.map { " in \($0) tiles" } ?? ""), \(upscaler.deviceDescription)
                  planned     \(mebibytes(plan.plannedBytes)) (at least \(mebibytes(minimum)) is needed)
                  weights     \(mebibytes(plan.weightsBytes))
                  activations \(mebibytes(plan.activationBytes))
                  scratch     \(mebibytes(plan.scratchBytes))
                  pictures    \(mebibytes(plan.ioBytes))
                  bands of \(plan.bandRows) rows, \(plan.stripCount == 1 ? "full width" : "\(plan.stripCount) vertical strips")\(passes(plan)), about \(seconds(expected))\(concurrent.map { "\n  \($0) such runs at once" } ?? "")
                """)
            return ExitStatus.done
        } catch {
            guard error.code == .doesNotFit else { throw error }
            console.json([("fits", .boolean(false)), ("minimum_bytes", .integer(minimum)), ("weights_bytes", .integer(planner.weightsBytes))])
            console.error(error)
            return ExitStatus.doesNotFit
        }
    }

    private static func passes(_ plan: Plan) -> String {
        plan.passes.count == 1 ? "" : ", \(plan.passes.count) passes with temporary files of \(mebibytes(plan.temporaryBytes))"
    }
}
