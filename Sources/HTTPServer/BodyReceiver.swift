import CMicroHTTP

/// Takes a body as it comes, raw or as multipart/form-data (RFC 7578), into a spool.
final class BodyReceiver {
    let spool: HTTPSpool
    private let rules: HTTPSpoolRules
    private var form: OpaquePointer?
    /// The first thing that went wrong inside the form.
    private var failure: HTTPFailure?
    private var hasFile = false
    private var field: (name: String, value: [UInt8])?
    private var fieldBytes = 0

    init(_ rules: HTTPSpoolRules, request: HTTPRequest, connection: OpaquePointer) throws(HTTPFailure) {
        self.rules = rules
        spool = try HTTPSpool(rules)
        let type = request.header("content-type")?.lowercased() ?? ""
        guard type.hasPrefix("multipart/form-data") else { return }
        form = hs_form_begin(connection, Unmanaged.passUnretained(self).toOpaque()) {
            context, name, file, data, offset, size in
            let receiver = Unmanaged<BodyReceiver>.fromOpaque(context!).takeUnretainedValue()
            do throws(HTTPFailure) {
                try receiver.part(
                    name: name, fileName: file, bytes: UnsafeRawBufferPointer(start: data, count: size), offset: offset)
                return 1
            } catch {
                receiver.failure = error
                return 0
            }
        }
        guard form != nil else { throw .badForm("the boundary of the form is missing") }
    }

    deinit { if let form { _ = hs_form_end(form) } }

    func append(_ data: UnsafePointer<CChar>, count: Int) throws(HTTPFailure) {
        guard let form else { return try spool.append(UnsafeRawBufferPointer(start: data, count: count)) }
        guard hs_form_add(form, data, count) != 0 else { throw failure ?? .badForm("the form cannot be read") }
    }

    func finish() throws(HTTPFailure) {
        guard let form else { return }
        self.form = nil
        guard hs_form_end(form) != 0 else { throw failure ?? .badForm("the form is not complete") }
        endField()
        guard hasFile else { throw .badForm("the form has no part \(rules.filePart)") }
    }

    private func part(
        name: UnsafePointer<CChar>?, fileName: UnsafePointer<CChar>?, bytes: UnsafeRawBufferPointer, offset: UInt64
    ) throws(HTTPFailure) {
        guard let name = name.flatMap({ String(validatingCString: $0) }) else {
            throw .badForm("a part of the form has no name")
        }
        if offset == 0 {
            endField()
            if name == rules.filePart {
                guard !hasFile else { throw .badForm("the form has more than one part \(name)") }
                hasFile = true
            } else {
                field = (name, [])
            }
        }
        guard name != rules.filePart else { return try spool.append(bytes) }
        fieldBytes += bytes.count + (offset == 0 ? name.utf8.count + 64 : 0)
        guard fieldBytes <= rules.fieldLimit else { throw .bodyTooLarge }
        field?.value += bytes
    }

    private func endField() {
        guard let field else { return }
        spool.fields.append((field.name, String(decoding: field.value, as: UTF8.self)))
        self.field = nil
    }
}
