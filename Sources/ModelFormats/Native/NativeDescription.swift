/// The JSON text under the key "model" of a native file; docs/model-format.md describes it.
struct NativeDescription: Codable {
    struct Processing: Codable {
        var channels: String
        var mean: [Float]
        var input_scale: Float
        /// nil: 0.
        var margin: Int?
    }
    struct Activation: Codable {
        var kind: String
        var slope: [Float]?
        var lower: Float?
        var upper: Float?
    }
    /// One node; which attributes belong to which operation is checked when it is read.
    struct Node: Codable {
        var name: String
        var op: String
        var inputs: [String]
        var channels: Int?
        var weights: String?
        var bias: String?
        var zero_point: Int32?
        var step: Float?
        var activation: Activation?
        var residual_scale: Float?
        var dilation: Int?
        var groups: Int?
        var stride: Int?
        var pad_top: Int?
        var pad_left: Int?
        var scale: [Float]?
        var offset: [Float]?
        var start: Int?
        var end: Int?
        var block: Int?
        var order: String?
        var method: String?
        var factor: Int?
        /// With it, a resize is by factor / divisor.
        var divisor: Int?
        var extent: Int?

        init(name: String, op: String, inputs: [String]) {
            self.name = name
            self.op = op
            self.inputs = inputs
        }

        enum CodingKeys: String, CodingKey {
            case name, op, inputs, channels, weights, bias, zero_point, step, activation, residual_scale, dilation, groups
            case stride, pad_top, pad_left, scale, offset, start, end, block, order, method, factor, divisor, extent
        }

        /// `inputs` may be left out by the input node.
        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decode(String.self, forKey: .name)
            op = try values.decode(String.self, forKey: .op)
            inputs = try values.decodeIfPresent([String].self, forKey: .inputs) ?? []
            channels = try values.decodeIfPresent(Int.self, forKey: .channels)
            weights = try values.decodeIfPresent(String.self, forKey: .weights)
            bias = try values.decodeIfPresent(String.self, forKey: .bias)
            zero_point = try values.decodeIfPresent(Int32.self, forKey: .zero_point)
            step = try values.decodeIfPresent(Float.self, forKey: .step)
            activation = try values.decodeIfPresent(Activation.self, forKey: .activation)
            residual_scale = try values.decodeIfPresent(Float.self, forKey: .residual_scale)
            dilation = try values.decodeIfPresent(Int.self, forKey: .dilation)
            groups = try values.decodeIfPresent(Int.self, forKey: .groups)
            stride = try values.decodeIfPresent(Int.self, forKey: .stride)
            pad_top = try values.decodeIfPresent(Int.self, forKey: .pad_top)
            pad_left = try values.decodeIfPresent(Int.self, forKey: .pad_left)
            scale = try values.decodeIfPresent([Float].self, forKey: .scale)
            offset = try values.decodeIfPresent([Float].self, forKey: .offset)
            start = try values.decodeIfPresent(Int.self, forKey: .start)
            end = try values.decodeIfPresent(Int.self, forKey: .end)
            block = try values.decodeIfPresent(Int.self, forKey: .block)
            order = try values.decodeIfPresent(String.self, forKey: .order)
            method = try values.decodeIfPresent(String.self, forKey: .method)
            factor = try values.decodeIfPresent(Int.self, forKey: .factor)
            divisor = try values.decodeIfPresent(Int.self, forKey: .divisor)
            extent = try values.decodeIfPresent(Int.self, forKey: .extent)
        }
    }
    struct Output: Codable {
        var name: String
        var node: String
    }
    var architecture: String
    var processing: Processing
    var nodes: [Node]
    var outputs: [Output]
    /// As the keys "info.*" of the file, which win.
    var metadata: [String: String]?
}
