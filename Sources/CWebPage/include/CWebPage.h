#pragma once
#include <stddef.h>

/// A file of the web page.
struct cw_file {
    /// "index.html"; the one at the root is served as "/".
    const char *name;
    const char *type;
    const unsigned char *bytes;
    size_t count;
};

/// Ends with a file without a name.
extern const struct cw_file cw_files[];
