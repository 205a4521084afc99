import Glibc
import Tensors

extension Arena {
    /// Asks for pages of 2 MiB where a whole one lies inside the arena, so that no byte outside is touched.
    ///
    /// Winograd's transforms write to 36 places at once, more than the processor has first-level entries for small pages.
    func preferHugePages() {
        _ = madvise(base, byteCount, MADV_HUGEPAGE)  // a kernel without them says no, and nothing is lost
    }
}
