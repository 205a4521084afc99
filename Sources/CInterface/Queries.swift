public import CEnlarger
import Enlarger
import Tensors

private let version = Strings([enlargerVersion])

/// By status; "" for numbers that are none.
private let names: Strings = {
    let codes = EnlargerError.Code.allCases
    var names = [String](repeating: "", count: Int(codes.map(\.status.rawValue).max()!) + 1)
    names[Int(ENLARGER_OK.rawValue)] = "ok"
    // Codes that share a status: the first gives it its name.
    for code in codes.reversed() { names[Int(code.status.rawValue)] = code.rawValue }
    return Strings(names)
}()

@c @implementation public func enlarger_version() -> UnsafePointer<CChar>? { version[0] }

@c @implementation public func enlarger_status_name(_ status: enlarger_status) -> UnsafePointer<CChar>? {
    names[Int(status.rawValue)]
}

@c @implementation public func enlarger_message() -> UnsafePointer<CChar>? { Failure.message }

@c @implementation public func enlarger_needed_bytes() -> Int64 { Failure.neededBytes }

@c @implementation public func enlarger_scale_count(_ upscaler: OpaquePointer?) -> Int32 {
    Int32(Handles.find(upscaler, UpscalerHandle.self)?.scales.count ?? 0)
}

@c @implementation public func enlarger_scale(_ upscaler: OpaquePointer?, _ index: Int32) -> Int32 {
    guard let scales = Handles.find(upscaler, UpscalerHandle.self)?.scales, scales.indices.contains(Int(index)) else { return 0 }
    return Int32(scales[Int(index)])
}

@c @implementation public func enlarger_model_name(_ upscaler: OpaquePointer?) -> UnsafePointer<CChar>? {
    Handles.find(upscaler, UpscalerHandle.self)?.modelName
}

@c @implementation public func enlarger_algorithm(_ upscaler: OpaquePointer?) -> UnsafePointer<CChar>? {
    Handles.find(upscaler, UpscalerHandle.self)?.algorithm
}

@c @implementation public func enlarger_device(_ upscaler: OpaquePointer?) -> UnsafePointer<CChar>? {
    Handles.find(upscaler, UpscalerHandle.self)?.device
}

@c @implementation public func enlarger_precision(_ upscaler: OpaquePointer?) -> UnsafePointer<CChar>? {
    Handles.find(upscaler, UpscalerHandle.self)?.precision
}

@c @implementation public func enlarger_note_count(_ upscaler: OpaquePointer?) -> Int32 {
    Int32(Handles.find(upscaler, UpscalerHandle.self)?.noteCount ?? 0)
}

@c @implementation public func enlarger_note(_ upscaler: OpaquePointer?, _ index: Int32) -> UnsafePointer<CChar>? {
    Handles.find(upscaler, UpscalerHandle.self)?.note(Int(index))
}
