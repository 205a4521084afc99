package import ModelFormats

/// How pictures are enlarged. Command-line flags and service settings map onto this and nowhere else.
public struct UpscaleOptions: Sendable, Equatable {
    /// Device to run on. `auto` is the best GPU that is hardware, else the CPU; a Vulkan device is the N-th, or with nil the
    /// best hardware.
    public enum Device: Sendable, Equatable {
        case auto, cpu, vulkan(index: Int?)

        /// "auto", "cpu", "vulkan" or "vulkan:N"; nil for anything else.
        public init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            switch parts[0] {
            case "auto" where parts.count == 1: self = .auto
            case "cpu" where parts.count == 1: self = .cpu
            case "vulkan" where parts.count == 1: self = .vulkan(index: nil)
            case "vulkan" where parts.count == 2:
                guard let index = Int(parts[1]), index >= 0 else { return nil }
                self = .vulkan(index: index)
            default: return nil
            }
        }
    }
    /// Arithmetic. `auto` is fp32 on the CPU and fp16 on a GPU that has it.
    public enum Precision: String, Sendable { case auto, fp32, bf16, fp16 }
    /// How the colour planes of a luma-only network are enlarged. `bilinear` reproduces OpenCV.
    public enum Chroma: String, Sendable { case bicubic, bilinear }

    /// A shipped or fetched model's name (`lite-x3`; `lite` takes the scale's), or a file. Default: `lite`.
    public var model = "lite"
    /// Enlargement; nil: the model's own (the largest of several), 2 for a name without one.
    public var scale: Int? {
        get { scales.max() }
        set { scales = newValue.map { [$0] } ?? [] }
    }
    /// Several enlargements, for networks with several outputs (LapSRN): each picture then gives as many results, in one
    /// pass. Empty: as `scale` says for nil.
    public var scales: [Int] = []
    /// Hard cap on planned bytes; nil: none.
    public var memory: Int?
    public var device = Device.auto
    public var precision = Precision.auto
    /// nil: as many as the process may use.
    public var threads: Int?
    public var chroma = Chroma.bicubic
    /// Averages the network over the eight orientations of the picture.
    public var testTimeAugmentation = false
    /// Runs pictures in blended tiles instead of streaming them, to compare; nil: streamed, and exact.
    public var tiling: Tiling?
    /// File type by its extension ("png", "jpg", "webp", "tiff", "avif", "szi"); nil: the output's, or the input's.
    public var format: String?
    /// What the caller knows of the network's pixels, above what the model file says.
    package var convention = PixelConvention()
    /// Folders searched for models before all others.
    public var modelFolders: [String] = []

    public init() {}
}
