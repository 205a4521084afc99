// Shim over libvips.
