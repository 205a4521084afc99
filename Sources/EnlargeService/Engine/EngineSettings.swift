import CPUBackend
package import Enlarger
import NetworkGraph
package import PictureIO
import Tensors

/// What the engine may use, and what it accepts.
package struct EngineSettings: Sendable {
    /// For weights, runs, decoders and encoders of all pictures together.
    package var memory: Int
    package var threads: Int
    /// Pictures that may wait.
    package var queueLimit = 256
    /// Of an input, checked from its header; of a result.
    package var maxPixels = 50_000_000
    package var maxOutputPixels = 450_000_000
    package var formats = PictureFormat.allCases
    package var defaultModel = "lite"

    package init(memory: Int, threads: Int = CPUDevice.processorCount) {
        self.memory = memory
        self.threads = max(1, threads)
    }
}

/// What a request says of how its picture is to be enlarged.
package struct PictureParameters: Sendable, Equatable {
    /// nil: the service's own.
    package var model: String?
    package var scale: Int?
    /// nil: the input's, where it can be written, else PNG.
    package var format: PictureFormat?
    /// `auto`, `fp32` or `bf16`.
    package var precision = UpscaleOptions.Precision.auto
    package var chroma = UpscaleOptions.Chroma.bicubic
    package var isAugmented = false

    package init() {}

    /// - Throws: `noDevice` for a precision that this processor does not have.
    func processing(threads: Int) throws(EnlargerError) -> PictureProcessing {
        var options = UpscaleOptions()
        options.threads = threads
        options.precision = precision
        return PictureProcessing(
            device: .cpu(try CPUDevice.chosen(options)), chroma: chroma == .bilinear ? .bilinear : .bicubic, isAugmented: isAugmented)
    }
}
