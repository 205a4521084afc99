import Tensors

extension Upscaler {
    /// Whether a picture that failed on a GPU for this reason can do better on the processor: networks that take passes
    /// (`modelUnsupported`) run there too.
    static func isForProcessor(_ error: EnlargerError) -> Bool {
        [.allocationFailed, .deviceLost, .doesNotFit, .modelUnsupported].contains(error.code)
    }

    /// What `options` mean where the GPU is of no use.
    func onProcessor() throws(EnlargerError) -> Upscaler {
        var options = options
        options.device = .cpu
        options.precision = .auto
        return try Upscaler(model: model, name: modelName, options: options)
    }
}
