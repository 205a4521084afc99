public import CEnlarger
import Enlarger
import Tensors

@c @implementation public func enlarger_open(_ options: OpaquePointer?, _ result: UnsafeMutablePointer<OpaquePointer?>?) -> enlarger_status {
    answer {
        guard let result else { throw usage("the place for the result is NULL") }
        result.pointee = nil
        let options = options == nil ? UpscaleOptions() : try Handles.get(options, OptionsHandle.self).current
        result.pointee = Handles.add(try UpscalerHandle(options))
    }
}

@c @implementation public func enlarger_close(_ upscaler: OpaquePointer?) { Handles.remove(upscaler, UpscalerHandle.self) }

@c @implementation public func enlarger_cancel(_ upscaler: OpaquePointer?) { Handles.find(upscaler, UpscalerHandle.self)?.cancel() }

extension PixelFormat {
    init(_ format: enlarger_format) throws(EnlargerError) {
        let orders: [UInt32: Order] = [ENLARGER_GREY.rawValue: .grey, ENLARGER_RGB.rawValue: .rgb, ENLARGER_BGR.rawValue: .bgr]
        guard let order = orders[UInt32(bitPattern: format.order)] else { throw usage("pixels of order \(format.order)") }
        guard format.alpha == 0 || format.alpha == 1 else { throw usage("alpha \(format.alpha); 0 or 1 is possible") }
        guard format.bits == 8 || format.bits == 16 else { throw usage("samples of \(format.bits) bits; 8 or 16 are possible") }
        self.init(order, hasAlpha: format.alpha == 1, bits: Int(format.bits))
    }
}

@c @implementation public func enlarger_plan(
    _ upscaler: OpaquePointer?, _ format: enlarger_format, _ width: Int32, _ height: Int32, _ plan: UnsafeMutablePointer<enlarger_plan_info>?
) -> enlarger_status {
    answer {
        guard let plan else { throw usage("the place for the plan is NULL") }
        plan.pointee = enlarger_plan_info()
        let handle = try Handles.get(upscaler, UpscalerHandle.self), format = try PixelFormat(format)
        do {
            let found = try handle.use { try $0.plan(width: Int(width), height: Int(height), format: format) }
            plan.pointee = enlarger_plan_info(
                planned_bytes: Int64(found.plannedBytes), minimum_bytes: Int64(found.minimumBytes), weights_bytes: Int64(found.weightsBytes),
                activation_bytes: Int64(found.activationBytes), scratch_bytes: Int64(found.scratchBytes), io_bytes: Int64(found.ioBytes),
                temporary_bytes: Int64(found.temporaryBytes), band_rows: Int32(found.bandRows), strips: Int32(found.strips),
                passes: Int32(found.passes), expected_seconds: found.expectedSeconds)
        } catch let error as EnlargerError {
            if let shortage = error.shortage { plan.pointee.minimum_bytes = Int64(shortage.neededBytes) }
            throw error
        }
    }
}

@c @implementation public func enlarger_upscale_file(
    _ upscaler: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ outputs: UnsafePointer<UnsafePointer<CChar>?>?, _ output_count: Int32,
    _ progress: enlarger_progress?, _ context: UnsafeMutableRawPointer?, _ results: UnsafeMutablePointer<enlarger_result>?
) -> enlarger_status {
    answer {
        let handle = try Handles.get(upscaler, UpscalerHandle.self)
        guard let input, let outputs else { throw usage("a path is NULL") }
        try checkCount(output_count, handle)
        let paths = try (0..<Int(output_count)).map { index throws(EnlargerError) in
            guard let path = outputs[index] else { throw usage("output \(index) is NULL") }
            return String(cString: path)
        }
        guard Set(paths).count == paths.count else { throw usage("two outputs have one path") }
        let found = try handle.use { try $0.upscale(String(cString: input), to: paths, progress: handle.progress(progress, context)) }
        handle.setNotes(found.first?.notes ?? [])
        guard let results else { return }
        for (index, result) in found.enumerated() {
            results[index] = enlarger_result(
                width: Int32(result.width), height: Int32(result.height), seconds: result.seconds, planned_bytes: Int64(result.plannedBytes),
                codec_bytes: Int64(result.codecBytes))
        }
    }
}

func checkCount(_ count: Int32, _ handle: UpscalerHandle) throws(EnlargerError) {
    guard count == Int32(handle.scales.count) else { throw usage("\(count) outputs for \(handle.scales.count) scales") }
}

@c @implementation public func enlarger_upscale_rows(
    _ upscaler: OpaquePointer?, _ format: enlarger_format, _ width: Int32, _ height: Int32, _ source: enlarger_source?, _ sink: enlarger_sink?,
    _ progress: enlarger_progress?, _ context: UnsafeMutableRawPointer?
) -> enlarger_status {
    answer {
        let handle = try Handles.get(upscaler, UpscalerHandle.self), format = try PixelFormat(format)
        guard let source, let sink else { throw usage("source or sink is NULL") }
        func stop() -> EnlargerError { EnlargerError(.cancelled, "stopped by a row callback") }
        try handle.use { upscaler in
            try upscaler.upscaleRows(
                width: Int(width), height: Int(height), format: format,
                source: { target, row, count in
                    if source(context, target.baseAddress, Int32(row), Int32(count)) != 0 { throw stop() }
                },
                sinks: upscaler.scales.indices.map { index in
                    var next = 0
                    return { rows, count in
                        if sink(context, Int32(index), rows.baseAddress, Int32(next), Int32(count)) != 0 { throw stop() }
                        next += count
                    }
                }, progress: handle.progress(progress, context))
        }
    }
}
