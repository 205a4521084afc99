/// Jobs of like size have a subject and a consumer of their own, so that a worker takes only what its memory holds.
struct SizeClass: Equatable {
    let name: String
    /// The most that jobs of the class need.
    let bytes: Int

    /// By fours, from small to any.
    static let all = [
        SizeClass(name: "64M", bytes: 64 << 20), SizeClass(name: "256M", bytes: 256 << 20), SizeClass(name: "1G", bytes: 1 << 30),
        SizeClass(name: "4G", bytes: 4 << 30), SizeClass(name: "16G", bytes: 16 << 30), SizeClass(name: "any", bytes: .max),
    ]

    private init(name: String, bytes: Int) { (self.name, self.bytes) = (name, bytes) }

    init(bytes: Int) { self = SizeClass.all.first { bytes <= $0.bytes } ?? SizeClass.all.last! }
}
