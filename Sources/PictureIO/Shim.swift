import CVips

/// libvips' pending error as one line; clears it.
func takeVipsError() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { text in
        ev_take_error(text.baseAddress, text.count)
        let message = String(cString: text.baseAddress!)
        return message.isEmpty ? "no reason given" : message
    }
}
