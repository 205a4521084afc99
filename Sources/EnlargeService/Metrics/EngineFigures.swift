import NATSQueue

extension MetricFamily {
    /// What the engine does, of a service and of a worker alike.
    static func engine(_ engine: UpscaleEngine, _ counters: Counters.Values) -> [MetricFamily] {
        let figures = engine.statistics
        return [
            .histogram(
                "enlarge_upscale_stage_duration_seconds",
                "Of pictures that were done: time in the queue, and in the run waiting for the decoder, computing, and waiting for the encoder.",
                ["queue", "decode", "compute", "encode"].map { ([("stage", $0)], counters.stageSeconds[$0] ?? Histogram()) }),
            MetricFamily(
                "enlarge_upscales_total", .counter, "Pictures by what became of them.",
                counters.outcomes.sorted { $0.key < $1.key }.map { ([("outcome", $0.key)], Double($0.value)) }),
            MetricFamily(
                "enlarge_pixels_total", .counter, "Pixels of pictures that were done.",
                [([("direction", "input")], Double(counters.pixelsIn)), ([("direction", "output")], Double(counters.pixelsOut))]),
            MetricFamily(
                "enlarge_memory_budget_bytes", .gauge, "What weights, runs and codecs may take together.",
                Double(figures.budgetBytes)),
            MetricFamily(
                "enlarge_memory_planned_bytes", .gauge, "What is granted of the budget.",
                [([("use", "runs")], Double(figures.runBytes)), ([("use", "weights")], Double(figures.weightsBytes))]),
            MetricFamily(
                "enlarge_memory_arena_bytes", .gauge, "What runs have allocated of what they were granted.",
                Double(figures.arenaBytes)),
            MetricFamily(
                "enlarge_admission_queue_length", .gauge, "Pictures that wait for memory or a slot.",
                Double(figures.waiting)),
            MetricFamily("enlarge_upscales_running", .gauge, "Pictures that run.", Double(figures.running)),
            MetricFamily(
                "enlarge_models_loaded", .gauge, "Models whose weights are in memory.",
                Double(engine.store.loadedCount)),
        ]
    }
}

extension QueueFigures {
    var families: [MetricFamily] {
        [
            MetricFamily(
                "enlarge_queue_jobs", .gauge, "Jobs in the queue, by the class of memory that they need, waiting and being worked on.",
                sizes.flatMap { size in
                    [
                        ([("size", size.name), ("state", "waiting")], Double(size.waiting)),
                        ([("size", size.name), ("state", "running")], Double(size.running)),
                    ]
                }),
            MetricFamily("enlarge_queue_bytes", .gauge, "What the queue's servers hold of tickets and records, one copy.", Double(bytes)),
            MetricFamily("enlarge_queue_dead_letters", .gauge, "Jobs that failed for good, as long as they are kept.", Double(deadLetters)),
            MetricFamily("enlarge_queue_replicas", .gauge, "Copies that the servers keep.", Double(replicas)),
        ]
    }
}

extension WorkerAnnouncement {
    static func family(_ workers: [WorkerAnnouncement]) -> MetricFamily {
        MetricFamily(
            "enlarge_worker_budget_bytes", .gauge, "The workers that run, and the memory that each has for jobs.",
            workers.map { ([("worker", $0.name), ("host", $0.host), ("version", $0.version)], Double($0.budgetBytes)) })
    }
}
