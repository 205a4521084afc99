/// What enlarging one picture takes, known before it begins.
public struct UpscalePlan: Sendable, Equatable {
    /// Everything below together; a budget caps this.
    public var plannedBytes: Int
    /// The least that any plan for this picture takes.
    public var minimumBytes: Int
    public var weightsBytes: Int
    public var activationBytes: Int
    public var scratchBytes: Int
    /// Rows of the picture and of the result on their way in and out.
    public var ioBytes: Int
    /// The most that temporary files hold of values between passes; not memory.
    public var temporaryBytes: Int
    /// Rows of the picture that go through the network at a time.
    public var bandRows: Int
    /// 1: the picture at full width.
    public var strips: Int
    /// 1: the network in one go; several where it needs the whole picture in between, or would not fit otherwise.
    public var passes: Int
    public var expectedSeconds: Double
}
