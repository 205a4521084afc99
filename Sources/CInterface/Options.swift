public import CEnlarger
import Enlarger
import Tensors

private func change(_ options: OpaquePointer?, _ body: (OptionsHandle) throws -> Void) -> enlarger_status {
    answer { try body(Handles.get(options, OptionsHandle.self)) }
}

private func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(EnlargerError) -> String {
    guard let pointer else { throw usage("the \(what) is NULL") }
    return String(cString: pointer)
}

@c @implementation public func enlarger_options_create() -> OpaquePointer? { Handles.add(OptionsHandle()) }

@c @implementation public func enlarger_options_destroy(_ options: OpaquePointer?) { Handles.remove(options, OptionsHandle.self) }

@c @implementation public func enlarger_options_set_model(_ options: OpaquePointer?, _ model: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let name = try text(model, "model")
        guard !name.isEmpty else { throw usage("the model has no name") }
        handle.change { $0.model = name }
    }
}

@c @implementation public func enlarger_options_set_scales(_ options: OpaquePointer?, _ scales: UnsafePointer<Int32>?, _ count: Int32) -> enlarger_status {
    change(options) { handle in
        guard count >= 0, count <= 16, scales != nil || count == 0 else { throw usage("\(count) scales") }
        let list = (0..<Int(count)).map { Int(scales![$0]) }
        guard list.allSatisfy({ $0 >= 1 && $0 <= 64 }), Set(list).count == list.count else { throw usage("scales \(list)") }
        handle.change { $0.scales = list }
    }
}

@c @implementation public func enlarger_options_set_memory(_ options: OpaquePointer?, _ bytes: Int64) -> enlarger_status {
    change(options) { handle in
        guard bytes >= 0 else { throw usage("\(bytes) bytes of memory") }
        handle.change { $0.memory = bytes == 0 ? nil : Int(bytes) }
    }
}

@c @implementation public func enlarger_options_set_threads(_ options: OpaquePointer?, _ threads: Int32) -> enlarger_status {
    change(options) { handle in
        guard (0...256).contains(threads) else { throw usage("\(threads) threads; 1 to 256 are possible") }
        handle.change { $0.threads = threads == 0 ? nil : Int(threads) }
    }
}

@c @implementation public func enlarger_options_set_device(_ options: OpaquePointer?, _ device: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let name = try text(device, "device")
        guard let device = UpscaleOptions.Device(name) else { throw usage("device \(name): auto, cpu, vulkan or vulkan:N are possible") }
        handle.change { $0.device = device }
    }
}

@c @implementation public func enlarger_options_set_precision(_ options: OpaquePointer?, _ precision: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let name = try text(precision, "precision")
        guard let precision = UpscaleOptions.Precision(rawValue: name) else { throw usage("precision \(name): auto, fp32, bf16 or fp16 are possible") }
        handle.change { $0.precision = precision }
    }
}

@c @implementation public func enlarger_options_set_chroma(_ options: OpaquePointer?, _ chroma: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let name = try text(chroma, "chroma")
        guard let chroma = UpscaleOptions.Chroma(rawValue: name) else { throw usage("chroma \(name): bicubic or bilinear are possible") }
        handle.change { $0.chroma = chroma }
    }
}

@c @implementation public func enlarger_options_set_augmentation(_ options: OpaquePointer?, _ on: Int32) -> enlarger_status {
    change(options) { $0.change { $0.testTimeAugmentation = on != 0 } }
}

@c @implementation public func enlarger_options_add_model_folder(_ options: OpaquePointer?, _ folder: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let path = try text(folder, "folder")
        handle.change { $0.modelFolders.append(path) }
    }
}

@c @implementation public func enlarger_options_set_format(_ options: OpaquePointer?, _ format: UnsafePointer<CChar>?) -> enlarger_status {
    change(options) { handle in
        let name = format.map { String(cString: $0) }
        if let name {
            let known = ["png", "jpg", "webp", "tiff", "avif", "szi"]
            guard known.contains(name) else { throw usage("format \(name): \(known.joined(separator: ", ")) are possible") }
        }
        handle.change { $0.format = name }
    }
}
