import Jobs
import Tensors

/// Where the pictures of jobs are: in the service's own folder, or in a store that many machines share.
protocol JobPictures: Sendable {
    /// The picture of a job, open at its beginning; the caller closes it. It may have to come from far.
    func openInput(of job: Job) throws(EnlargerError) -> Int32

    /// A result that is being made.
    func beginResult(of job: Job) throws(EnlargerError) -> any JobResult

    /// Makes a spooled file the picture of a job, durably.
    /// - Returns: whether the file was taken over, and its bytes with it.
    func keepInput(_ request: JobRequest, descriptor: Int32, path: String) throws(EnlargerError) -> Bool

    /// A finished result, open at its beginning; the caller closes it.
    func openResult(of job: Job) throws(EnlargerError) -> Int32

    /// No effect where they are gone.
    func removeInput(of job: Job)
    func removeResult(of job: Job)
    /// Of a job that is forgotten.
    func removeAll(of id: JobIdentifier)
}

/// A result on its way; it leaves nothing behind unless it is kept.
protocol JobResult: AnyObject, Sendable {
    /// Open for reading and writing.
    var descriptor: Int32 { get }

    /// The file has grown.
    /// - Parameter isInOrder: what is in it stays as it is.
    /// - Returns: false where there is no room for it.
    func grew(isInOrder: Bool) -> Bool

    /// It is complete: durable under its name.
    /// - Returns: its bytes.
    func keep() throws(EnlargerError) -> Int
    func discard()
}
