//! The limits on what an archive may make us do.

/// How much of everything an archive may hold. Each limit has a default that no honest image comes
/// near to; all of them are checked while the archive streams, before anything is allocated for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries, headers of headers (PAX, GNU long names) included.
    pub entries: u64,
    /// Bytes in a path or link target: what the kernel takes (`PATH_MAX` without the NUL).
    pub path_bytes: usize,
    /// Components in a path.
    pub depth: usize,
    /// Bytes in one PAX or GNU header's body; Go's archive/tar allows as much.
    pub header_bytes: usize,
    /// Headers of headers in front of one entry.
    pub headers_per_entry: usize,
    /// Data segments in one sparse file.
    pub sparse_segments: usize,
    /// Bytes in the paths that are remembered until the end: those of directories, whiteouts.
    pub remembered_bytes: usize,
    /// Bytes in one file as its reader sees it, holes included.
    pub file_bytes: u64,
    /// Bytes in the whole archive, uncompressed.
    pub total_bytes: u64,
    /// Uncompressed bytes for each compressed byte, once [`Limits::ratio_free_bytes`] came out. Gzip
    /// reaches 1032 with nothing but zeros.
    pub compression_ratio: u64,
    /// Uncompressed bytes that may come out at any ratio.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4_000_000,
            path_bytes: 4095,
            depth: 512,
            header_bytes: 1 << 20,
            headers_per_entry: 16,
            sparse_segments: 1 << 18,
            remembered_bytes: 256 << 20,
            file_bytes: 1 << 40,
            total_bytes: 1 << 38,
            compression_ratio: 1000,
            ratio_free_bytes: 1 << 30,
        }
    }
}
