/// What a server does with requests. All calls come on network threads and must not block.
package protocol HTTPHandler: Sendable {
    /// The header has come: what of the body?
    func plan(for exchange: HTTPExchange) -> HTTPBodyPlan

    /// The request is complete: `exchange.answer` now, or later from any thread.
    func respond(to exchange: HTTPExchange)

    /// The answer for a request that goes wrong before `respond`.
    func answer(to failure: HTTPFailure, of exchange: HTTPExchange) -> HTTPResponse

    /// The request is over.
    /// - Parameters:
    ///   - status: nil where no answer was begun.
    ///   - isComplete: the answer was sent to its end.
    func ended(_ exchange: HTTPExchange, status: Int?, isComplete: Bool, seconds: Double)
}

package enum HTTPBodyPlan: Sendable {
    /// An answer without the body.
    case refuse(HTTPResponse)
    /// The body does not matter.
    case discard
    case spool(HTTPSpoolRules)
}

/// Where a body goes, and how much of it.
package struct HTTPSpoolRules: Sendable {
    package var folder: String
    /// Of the file, and of the rest of a form.
    package var fileLimit: Int
    package var fieldLimit = 64 << 10
    /// The part of a form that is the file.
    package var filePart: String
    /// Asked before bytes are written; false: there is no room for them. What was granted is given back with `release`.
    package var reserve: @Sendable (Int) -> Bool
    package var release: @Sendable (Int) -> Void

    package init(
        folder: String, fileLimit: Int, filePart: String, reserve: @escaping @Sendable (Int) -> Bool,
        release: @escaping @Sendable (Int) -> Void
    ) {
        self.folder = folder
        self.fileLimit = fileLimit
        self.filePart = filePart
        self.reserve = reserve
        self.release = release
    }
}

package enum HTTPFailure: Error, Sendable, Equatable {
    /// The request's line or header makes no sense, with a sentence.
    case badRequest(String)
    case bodyTooLarge
    case badForm(String)
    case noRoom
    /// Spooling failed otherwise.
    case fileFailed(String)
    /// The time for the request is over.
    case timeout
    case shuttingDown
}

/// Why nobody waits for an answer any more.
package enum HTTPGone: Sendable { case clientLeft, timeout, shutdown }
