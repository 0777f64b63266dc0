//! Kinds of file systems, by what `statfs(2)` says of them.

/// Those of the kernel's own, which stamp each change themselves: ext4, xfs, btrfs, tmpfs, overlay, f2fs, zfs, bcachefs.
const OWN: [i64; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
];

/// Whether each change of a file moves its `ctime` on file systems of this kind (`f_type`). The stamps of others come from other
/// machines or programs, or are coarse.
pub fn stamps_changes(kind: i64) -> bool {
    OWN.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::stamps_changes;

    #[test]
    fn file_systems_of_others_are_not_trusted() {
        let (ext4, nfs, fuse, fat) = (0xef53, 0x6969, 0x6573_5546, 0x4d44);
        assert!(stamps_changes(ext4));
        assert_eq!([nfs, fuse, fat].map(stamps_changes), [false; 3]);
    }
}
