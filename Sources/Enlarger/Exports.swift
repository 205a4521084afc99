/// Every call may throw it, so that `import Enlarger` alone brings it.
@_exported public import struct Tensors.EnlargerError
