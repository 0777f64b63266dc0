//! The superblock's checksum: CRC-32C (Castagnoli) as the kernel keeps it, without the last inversion.

/// The polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The register after these bytes, when it began with all ones.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    // One block for each image: no table is worth it.
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = (register >> 1) ^ (POLYNOMIAL & (register & 1).wrapping_neg());
        }
    }
    register
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_castagnoli_sum() {
        // The check value that RFC 3720 and the CRC catalogues give, after the inversion.
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(!crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
