import Enlarger
import Tensors

/// PSNR and SSIM over pairs of pictures. The model `bicubic` is plain resizing, which checks the protocol itself.
enum EvaluateCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(words, withValue: SharedFlags.withValue, alone: SharedFlags.alone.merging(["-x": "--tta"]) { a, _ in a })
        guard arguments.positional.count == 1 else { throw EnlargerError(.usage, "evaluate takes one FOLDER of *_HR.png and *_LR.png") }
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        var options = try SharedFlags.options(arguments)
        options.testTimeAugmentation = arguments.has("--tta")
        let model: String, scale: Int, enlarge: (PixelPicture) throws -> PixelPicture
        if options.model == "bicubic" {
            guard let asked = options.scale else { throw EnlargerError(.usage, "-m bicubic needs -s SCALE") }
            (model, scale) = ("bicubic", asked)
            enlarge = { $0.enlargedBicubically(asked) }
        } else {
            let upscaler = try Upscaler(options: options)
            (model, scale) = (upscaler.modelName, upscaler.scale)
            enlarge = { try upscaler.upscale($0) }
        }
        let isVerbose = arguments.has("--verbose")
        let result = try Evaluation(folder: arguments.positional[0], scale: scale, enlarge: enlarge) { score in
            if isVerbose { console.say("\(score.name): PSNR \(decibels(score.psnr)), SSIM \(fraction(score.ssim))") }
        }
        console.json([
            ("model", .string(model)), ("scale", .integer(scale)), ("pictures", .integer(result.scores.count)),
            ("psnr_y", .number(result.psnr)), ("ssim_y", .number(result.ssim)),
        ])
        console.say("\(model) x\(scale), \(result.scores.count) pictures: PSNR \(decibels(result.psnr)), SSIM \(fraction(result.ssim))")
        return ExitStatus.done
    }

    private static func decibels(_ value: Double) -> String { value.isFinite ? "\((value * 100).rounded() / 100) dB" : "infinite (equal)" }
    private static func fraction(_ value: Double) -> String { "\((value * 1e4).rounded() / 1e4)" }
}
