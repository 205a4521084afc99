import Enlarger
import Jobs
import PictureIO
import Tensors

/// When a picture is cut into parts for many workers, and into how many.
struct PictureCut: Sendable {
    /// Pictures of fewer input pixels are one job; a part has a quarter of that, or so.
    var fromPixels = 40_000_000
    /// Asked for: so many parts, whatever the size.
    var parts: Int?

    /// - Returns: 1 for a picture that stays whole.
    /// - Throws: why it cannot be cut, where `parts` asks for that; otherwise such a picture stays whole.
    func partCount(_ picture: PreparedPicture) throws(EnlargerError) -> Int {
        let pixels = picture.info.width * picture.info.height
        guard let wanted = parts ?? (pixels >= fromPixels ? pixels / max(1, fromPixels / 4) : nil) else { return 1 }
        let count = min(wanted, picture.info.height, PictureCut.mostParts)
        guard count > 1 else { return 1 }
        do throws(EnlargerError) {
            try picture.model.model.checkRows(augmented: picture.parameters.isAugmented)
        } catch {
            guard parts == nil else { throw error }
            return 1
        }
        return count
    }

    static let mostParts = 10_000
}

extension JobRequest {
    /// Parameters of a picture that is cut into parts: how many there are; for a part its number, the picture's job, and whose it is.
    static let partCount = "parts", part = "part", whole = "whole", wholeOwner = "whole_owner"

    /// nil for a picture that is not cut.
    var parts: PictureParts? { parameters[JobRequest.partCount].flatMap { Int($0) }.flatMap { PictureParts(height: inputHeight, count: $0) } }
    /// nil for the picture's own job.
    var partIndex: Int? { parameters[JobRequest.part].flatMap { Int($0) } }
    /// The job of the picture that this one is a part of, or the job itself.
    var wholeID: JobIdentifier { parameters[JobRequest.whole].flatMap { JobIdentifier($0) } ?? id }

    /// The same picture, cut.
    func cut(into count: Int) -> JobRequest {
        var request = self
        if count > 1 { request.parameters[JobRequest.partCount] = String(count) }
        return request
    }

    /// The jobs of the picture's parts, with names that follow from its own; none for a picture that is not cut, and for a part.
    var partRequests: [JobRequest] {
        guard let parts, partIndex == nil else { return [] }
        return (0..<parts.count).map { index in
            var request = self
            request.id = JobIdentifier(digits([id.description, "part", String(index)]))!
            request.owner = JobRequest.ownerOfParts(of: id)
            request.expectedSeconds = expectedSeconds.map { $0 / Double(parts.count) }
            request.parameters[JobRequest.part] = String(index)
            request.parameters[JobRequest.whole] = id.description
            request.parameters[JobRequest.wholeOwner] = owner
            return request
        }
    }
}
