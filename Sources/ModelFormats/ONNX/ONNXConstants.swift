import Tensors
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The elements of a model's tensors: slices of the file where they can be, expansion bounded over the whole file.
struct ONNXConstants {
    let storage: ByteStorage
    /// Where external data may lie; nil: nowhere.
    let folder: String?
    private var files: [String: ByteStorage] = [:]
    private var expanded = 0

    init(storage: ByteStorage, folder: String?) {
        self.storage = storage
        self.folder = folder
    }

    /// Elements that are copied out of the file count against one limit.
    mutating func expand(_ count: Int, _ name: String) throws(EnlargerError) {
        guard count <= Limits.expandedElements - expanded else {
            throw invalid(name, "\(count) elements to convert; at most \(Limits.expandedElements) are, in the whole file")
        }
        expanded += count
    }

    /// The elements as floating-point numbers, a slice of the file when it holds them so.
    mutating func data(_ tensor: ONNXTensor) throws(EnlargerError) -> TensorData {
        let elementType: ElementType
        switch tensor.type {
        case .float32: elementType = .float32
        case .float16: elementType = .float16
        case .bfloat16: elementType = .bfloat16
        default:
            let values = try numbers(tensor)
            return TensorData(values.map { Float($0) }, shape: tensor.shape)
        }
        if case .listed(let values) = tensor.elements {
            try expand(values.count, tensor.name)
            return TensorData(values.map { Float($0) }, shape: tensor.shape)
        }
        let (storage, offset) = try place(tensor)
        guard let data = TensorData(elementType: elementType, shape: tensor.shape, storage: storage, offset: offset) else {
            throw invalid(tensor.name, "its \(tensor.count * elementType.byteCount) bytes do not lie inside the file")
        }
        return data
    }

    /// The elements one by one.
    mutating func numbers(_ tensor: ONNXTensor) throws(EnlargerError) -> [Double] {
        guard let type = tensor.type else { throw unsupported(tensor.name, "elements of ONNX type \(tensor.rawType)") }
        try expand(tensor.count, tensor.name)
        if case .listed(let values) = tensor.elements { return values }
        let (storage, offset) = try place(tensor)
        guard offset <= storage.bytes.count, tensor.count * type.width <= storage.bytes.count - offset else {
            throw invalid(tensor.name, "its \(tensor.count * type.width) bytes do not lie inside the file")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[offset..<offset + tensor.count * type.width])
        return (0..<tensor.count).map { i in
            switch type {
            case .float32: Double(bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self))
            case .float64: bytes.loadUnaligned(fromByteOffset: 8 * i, as: Double.self)
            case .float16: Double(Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))))
            case .bfloat16: Double(Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16))
            case .int64: Double(bytes.loadUnaligned(fromByteOffset: 8 * i, as: Int64.self))
            case .int32: Double(bytes.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self))
            case .uint8, .bool: Double(bytes[i])
            case .int8: Double(Int8(bitPattern: bytes[i]))
            }
        }
    }

    /// Where the bytes of a tensor begin.
    private mutating func place(_ tensor: ONNXTensor) throws(EnlargerError) -> (ByteStorage, Int) {
        guard let type = tensor.type else { throw unsupported(tensor.name, "elements of ONNX type \(tensor.rawType)") }
        switch tensor.elements {
        case .stored(let offset): return (storage, offset)
        case .external(let location, let offset, let length):
            let bytes = tensor.count * type.width
            if let length, length != bytes { throw invalid(tensor.name, "\(length) bytes of external data for a tensor of shape \(tensor.shape), which needs \(bytes)") }
            let file = try externalFile(location, tensor.name)
            guard offset <= file.bytes.count, bytes <= file.bytes.count - offset else {
                throw invalid(tensor.name, "bytes \(offset) to \(offset + bytes) of \"\(location.prefix(80))\", which has \(file.bytes.count)")
            }
            return (file, offset)
        case .listed, .missing: throw invalid(tensor.name, "a tensor without elements")
        }
    }

    /// Maps a file in or below the model's folder; a path that leads out of it, also by a symbolic link, is refused.
    private mutating func externalFile(_ location: String, _ name: String) throws(EnlargerError) -> ByteStorage {
        if let known = files[location] { return known }
        guard let folder else { throw invalid(name, "external data \"\(location.prefix(80))\", but the model has no folder") }
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        guard !location.hasPrefix("/"), !parts.contains(".."), !location.utf8.contains(0) else {
            throw invalid(name, "external data \"\(location.prefix(80))\" lies outside the model's folder")
        }
        guard files.count < 64 else { throw invalid(name, "more than 64 files of external data") }
        guard let root = ONNXConstants.resolved(folder) else { throw EnlargerError(.modelNotFound, "node \"\(name.prefix(80))\": the model's folder is gone") }
        guard let path = ONNXConstants.resolved(folder + "/" + location) else {
            throw EnlargerError(.modelNotFound, "node \"\(name.prefix(80))\": external data \"\(location.prefix(80))\": no such file")
        }
        guard path.hasPrefix(root.hasSuffix("/") ? root : root + "/") else {
            throw invalid(name, "external data \"\(location.prefix(80))\" leads outside the model's folder")
        }
        let file = try ByteStorage.mapping(path: path)
        files[location] = file
        return file
    }

    /// The path without symbolic links; nil when it does not exist.
    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}
