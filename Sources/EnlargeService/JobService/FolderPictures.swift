import Glibc
import Jobs
import Tensors

/// Pictures of jobs in the data folder of one service, counted against its disk account.
struct FolderPictures: JobPictures {
    let files: JobFiles
    let disk: DiskAccount

    func openInput(of job: Job) throws(EnlargerError) -> Int32 {
        let input = open(files.input(job.id), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard input >= 0 else { throw EnlargerError(.pictureNotFound, "the picture of this job is gone") }
        return input
    }

    func beginResult(of job: Job) throws(EnlargerError) -> any JobResult {
        FolderResult(id: job.id, descriptor: try files.beginResult(job.id), files: files, bytes: GrowingFileBytes(disk))
    }

    func keepInput(_ request: JobRequest, descriptor: Int32, path: String) throws(EnlargerError) -> Bool {
        try files.keepInput(request.id, descriptor: descriptor, path: path)
        return true
    }

    func openResult(of job: Job) throws(EnlargerError) -> Int32 {
        let file = open(files.result(job.id), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw EnlargerError(.blobNotFound, "the result of this job is gone") }
        return file
    }

    func removeInput(of job: Job) { disk.release(files.remove(files.input(job.id))) }
    func removeResult(of job: Job) { disk.release(files.remove(files.result(job.id))) }
    func removeAll(of id: JobIdentifier) {
        for path in [files.input(id), files.result(id)] { disk.release(files.remove(path)) }
    }
}

private final class FolderResult: JobResult {
    let descriptor: Int32
    private let id: JobIdentifier
    private let files: JobFiles
    private let bytes: GrowingFileBytes

    init(id: JobIdentifier, descriptor: Int32, files: JobFiles, bytes: GrowingFileBytes) {
        (self.id, self.descriptor, self.files, self.bytes) = (id, descriptor, files, bytes)
    }

    deinit { close(descriptor) }

    func grew(isInOrder: Bool) -> Bool { bytes.grow(to: byteCount(descriptor)) }

    func keep() throws(EnlargerError) -> Int {
        try files.keepResult(id, descriptor: descriptor)
        bytes.handOver()
        return byteCount(descriptor)
    }

    func discard() { files.discardResult(id) }
}

/// Of an open file.
func byteCount(_ descriptor: Int32) -> Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
}
