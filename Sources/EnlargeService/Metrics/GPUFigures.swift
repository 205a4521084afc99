import CSystem

/// The machine's NVIDIA GPUs, where their management library is there.
enum GPUFigures {
    static var families: [MetricFamily] {
        var used: [(labels: [(String, String)], value: Double)] = [], total = used, busy = used
        for index in 0..<es_gpu_count() {
            var gpu = es_gpu()
            guard es_gpu_read(index, &gpu) != 0 else { continue }
            let name = withUnsafeBytes(of: gpu.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            let labels = [("gpu", String(index)), ("name", name)]
            used.append((labels, Double(gpu.used_bytes)))
            total.append((labels, Double(gpu.total_bytes)))
            if gpu.busy >= 0 { busy.append((labels, gpu.busy)) }
        }
        guard !total.isEmpty else { return [] }
        return [
            MetricFamily("enlarge_gpu_memory_used_bytes", .gauge, "Memory of the GPU that is in use, by whomever.", used),
            MetricFamily("enlarge_gpu_memory_total_bytes", .gauge, "Memory of the GPU.", total),
            MetricFamily("enlarge_gpu_utilization_ratio", .gauge, "The part of the last moments in which the GPU worked.", busy),
        ]
    }
}
