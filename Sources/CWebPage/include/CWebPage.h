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

/// The files; the last one has no name.
const struct cw_file *cw_file_list(void);
