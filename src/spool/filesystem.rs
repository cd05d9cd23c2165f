//! Which file systems a spool may lie on. Pure.

/// The name of a network file system by its magic number (`statfs(2)`), or `None` for one that may hold a spool.
///
/// SQLite's WAL needs shared memory and honest syncs; NFS, CIFS and their kind give neither.
pub(super) fn network_filesystem(magic: u64) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B => Some("SMB"),
        0xFE53_4D42 => Some("SMB2"),
        0xFF53_4D42 => Some("CIFS"),
        0x5346_414F => Some("AFS"),
        0x6B41_4653 => Some("kAFS"),
        0x564C => Some("NCP"),
        0x7375_7245 => Some("Coda"),
        0x0102_1997 => Some("9P"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x0116_1970 => Some("GFS2"),
        0x7461_636F => Some("OCFS2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_network_file_systems_are_refused_and_local_ones_are_not() {
        for (magic, expected) in [
            (0x6969, Some("NFS")),
            (0xFF53_4D42, Some("CIFS")),
            (0xFE53_4D42, Some("SMB2")),
            (0xEF53, None),
            (0x0102_1994, None),
            (0x794C_7630, None),
            (0x5846_5342, None),
            (0x9123_683E, None),
        ] {
            assert_eq!(network_filesystem(magic), expected, "{magic:#x}");
        }
    }
}
