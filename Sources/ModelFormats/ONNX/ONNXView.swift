import Tensors

/// A map seen through Reshape and Transpose: which of its rows, columns and parts of its channels make up each dimension.
///
/// Pixel shuffle spelled as Reshape-Transpose-Reshape, and NHWC layouts, are views that become maps again.
struct ONNXView {
    enum Atom: Equatable {
        case height, width
        /// `count` steps through the channels, `stride` channels apart.
        case channels(stride: Int, count: Int)
    }
    /// The map's node in the graph.
    let node: Int
    let channels: Int, scale: Int
    /// Outermost first in each dimension; parts of one element are left out.
    var dimensions: [[Atom]]

    /// N, C, H, W.
    init(node: Int, channels: Int, scale: Int) {
        (self.node, self.channels, self.scale) = (node, channels, scale)
        dimensions = [[], channels == 1 ? [] : [.channels(stride: 1, count: channels)], [.height], [.width]]
    }

    func extent(_ atom: Atom) -> ONNXExtent {
        switch atom {
        case .height: ONNXExtent(height: Double(scale))
        case .width: ONNXExtent(width: Double(scale))
        case .channels(_, let count): ONNXExtent(Double(count))
        }
    }
    /// nil for products that are no extent.
    func extent(of dimension: [Atom]) -> ONNXExtent? {
        var product = ONNXExtent(1)
        for atom in dimension {
            guard let next = product * extent(atom) else { return nil }
            product = next
        }
        return product
    }

    /// - Precondition: a permutation of the dimensions.
    func transposed(_ permutation: [Int]) -> ONNXView {
        var view = self
        view.dimensions = permutation.map { dimensions[$0] }
        return view
    }

    enum Failure: Error { case windows, mismatch }

    /// - Parameters:
    ///   - target: an extent for each dimension; nil for the one to be inferred (at most one).
    ///   - fixed: the picture's size where the file fixes it, for extents that were computed from it.
    func reshaped(_ target: [ONNXExtent?], fixed: (height: Double, width: Double)?) throws(Failure) -> ONNXView {
        var atoms = dimensions.flatMap(\.self), front: [[Atom]] = [], back: [[Atom]] = []
        let inferred = target.firstIndex { $0 == nil } ?? target.count
        for extent in target[..<inferred] { front.append(try take(extent!, from: &atoms, fixed: fixed)) }
        if inferred < target.count {
            atoms.reverse()
            for extent in target[(inferred + 1)...].reversed() { back.insert(try take(extent!, from: &atoms, fixed: fixed, isReversed: true), at: 0) }
            front.append(atoms.reversed())
            atoms = []
        }
        guard atoms.isEmpty else { throw .mismatch }
        var view = self
        view.dimensions = front + back
        return view
    }

    /// The next atoms whose extents multiply to `extent`, channels split where needed.
    private func take(
        _ target: ONNXExtent, from atoms: inout [Atom], fixed: (height: Double, width: Double)?, isReversed: Bool = false
    ) throws(Failure) -> [Atom] {
        func equal(_ a: ONNXExtent, _ b: ONNXExtent) -> Bool {
            a == b || fixed.map { a.value(height: $0.height, width: $0.width) == b.value(height: $0.height, width: $0.width) } ?? false
        }
        var taken: [Atom] = [], product = ONNXExtent(1)
        while !equal(product, target) {
            guard let atom = atoms.first else { throw .mismatch }
            guard case .channels(let stride, let count) = atom else {
                guard let next = product * extent(atom) else { throw .windows }
                // A part of the rows or columns is asked for.
                if let wanted = target.number, fixed.map({ next.value(height: $0.height, width: $0.width) > wanted }) ?? true { throw .windows }
                taken.append(atoms.removeFirst())
                product = next
                continue
            }
            let ratio = target.ratio(to: product)
                ?? fixed.map { target.value(height: $0.height, width: $0.width) / product.value(height: $0.height, width: $0.width) }
            // How much of the channels the dimension still wants: all, when the rest of it are rows or columns.
            let part = ratio.flatMap { Int(exactly: $0) } ?? count
            if part >= count {
                guard part % count == 0 || ratio == nil else { throw .mismatch }
                taken.append(atoms.removeFirst())
                product = product.scaled(Double(count))
            } else {
                guard part > 1, count % part == 0 else { throw .mismatch }
                let outer = Atom.channels(stride: isReversed ? stride * part : stride * (count / part), count: isReversed ? count / part : part)
                let inner = Atom.channels(stride: stride, count: isReversed ? part : count / part)
                taken.append(isReversed ? inner : outer)
                atoms[0] = isReversed ? outer : inner
                product = product.scaled(Double(part))
            }
        }
        return isReversed ? taken.reversed() : taken
    }

    enum Meaning: Equatable {
        /// The map itself.
        case map
        case blockFirst(Int), channelFirst(Int)
    }

    /// What the view is as a map of dimensions N, C, H, W; nil when it is none that the graph knows.
    var meaning: Meaning? {
        let d = dimensions.map { ONNXView.merged($0) }
        guard d.count == 4, d[0].isEmpty, d[2].first == .height, d[3].first == .width else { return nil }
        if d[2].count == 1, d[3].count == 1 {
            return d[1] == (channels == 1 ? [] : [.channels(stride: 1, count: channels)]) ? .map : nil
        }
        guard d[2].count == 2, d[3].count == 2, case .channels(let strideY, let s) = d[2][1], case .channels(let strideX, s) = d[3][1] else { return nil }
        let rest = channels / (s * s)
        let strideC: Int? = if d[1].isEmpty, rest == 1 { 1 } else if d[1].count == 1, case .channels(let stride, rest) = d[1][0] { stride } else { nil }
        guard let strideC else { return nil }
        if strideX == 1, strideY == s, strideC == s * s || rest == 1 { return .channelFirst(s) }
        if strideC == 1, strideX == rest, strideY == rest * s { return .blockFirst(s) }
        return nil
    }

    /// The same with dimensions N, C, H, W, when they stand as N, H, W, C.
    var fromChannelsLast: ONNXView? { dimensions.count == 4 ? transposed([0, 3, 1, 2]) : nil }

    /// Neighbouring parts that step through the channels as one.
    private static func merged(_ atoms: [Atom]) -> [Atom] {
        var result: [Atom] = []
        for atom in atoms {
            if case .channels(let stride, let count) = atom, case .channels(let outer, let outerCount)? = result.last, outer == stride * count {
                result[result.count - 1] = .channels(stride: stride, count: count * outerCount)
            } else {
                result.append(atom)
            }
        }
        return result
    }
}
