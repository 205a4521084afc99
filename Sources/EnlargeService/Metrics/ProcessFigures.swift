import Glibc

/// What the kernel says of this process.
struct ProcessFigures {
    var residentBytes = 0
    var cpuSeconds = 0.0
    var openDescriptors = 0
    var descriptorLimit = 0
    /// Seconds since 1970.
    var startTime = 0.0

    init() {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let memory = ProcessFigures.contents("/proc/self/statm").split(separator: " ")
        if memory.count > 1 { residentBytes = (Int(memory[1]) ?? 0) * page }
        var clock = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &clock)
        cpuSeconds = Double(clock.tv_sec) + Double(clock.tv_nsec) * 1e-9
        if let folder = opendir("/proc/self/fd") {
            while readdir(folder) != nil { openDescriptors += 1 }
            closedir(folder)
            openDescriptors -= 3  // ".", "..", and the folder itself
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            descriptorLimit = Int(clamping: limit.rlim_cur)
        }
        // The 20th field after the name in parentheses; the name may hold spaces.
        let fields = ProcessFigures.contents("/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        let boot = ProcessFigures.contents("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap
        { Double($0.dropFirst(6)) }
        if fields.count > 19, let ticks = Double(fields[19]), let boot {
            startTime = boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    private static func contents(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while case let count = read(file, &room, room.count), count > 0 { bytes += room[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
