//! The superblock's checksum: CRC-32C (Castagnoli) as the kernel keeps it, without the last inversion.

/// The polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What each byte does to the register: every mount of an image takes this sum.
const STEPS: [u32; 256] = {
    let mut steps = [0; 256];
    let mut byte: u32 = 0;
    while byte < 256 {
        let (mut register, mut bit) = (byte, 0);
        while bit < 8 {
            register = (register >> 1) ^ (POLYNOMIAL & (register & 1).wrapping_neg());
            bit += 1;
        }
        steps[byte as usize] = register;
        byte += 1;
    }
    steps
};

/// The register after these bytes, when it began with all ones.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |register, byte| {
        let [low, ..] = register.to_le_bytes();
        (register >> 8) ^ STEPS[usize::from(low ^ byte)]
    })
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
