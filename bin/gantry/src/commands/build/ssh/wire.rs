//! How SSH writes things (RFC 4251, section 5): lengths before bytes, big-endian, numbers without leading zeros.

/// What is read, from its beginning on.
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The next bytes, as they are.
    pub(super) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A number that is not negative, without the zeros at its beginning.
    pub(super) fn integer(&mut self) -> Option<&'b [u8]> {
        Some(without_zeros(self.string()?))
    }
}

/// A number's bytes without the zeros at its beginning.
pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// Appends bytes after their length.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is written here is the answer to a request of limited length, and a key's: never near the limit.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a number that is not negative.
pub(super) fn put_integer(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = without_zeros(bytes);
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        put_string(out, &[&[0], bytes].concat());
    } else {
        put_string(out, bytes);
    }
}

/// `number % modulus` of numbers as they are written; nothing where the modulus is zero. Takes time that depends on the bits of
/// `number`, and is for keys of one's own.
pub(super) fn remainder(number: &[u8], modulus: &[u8]) -> Option<Vec<u8>> {
    let modulus = without_zeros(modulus);
    if modulus.is_empty() {
        return None;
    }
    // One byte more than the modulus: twice what is smaller than it has room.
    let mut rest = vec![0_u8; modulus.len() + 1];
    for byte in number {
        for bit in (0..8).rev() {
            let mut carry = (byte >> bit) & 1;
            for digit in rest.iter_mut().rev() {
                let high = *digit >> 7;
                *digit = (*digit << 1) | carry;
                carry = high;
            }
            if rest[0] != 0 || rest[1..] >= *modulus {
                subtract(&mut rest, modulus);
            }
        }
    }
    Some(without_zeros(&rest).to_vec())
}

/// Takes a number from one that is not smaller.
fn subtract(from: &mut [u8], what: &[u8]) {
    let mut borrowed = false;
    let offset = from.len() - what.len();
    for (index, digit) in from.iter_mut().enumerate().rev() {
        let taken = index.checked_sub(offset).map_or(0, |index| what[index]);
        let (first, one) = digit.overflowing_sub(taken);
        let (second, two) = first.overflowing_sub(u8::from(borrowed));
        (*digit, borrowed) = (second, one || two);
    }
}

/// A number less one; nothing of zero.
pub(super) fn less_one(number: &[u8]) -> Option<Vec<u8>> {
    let mut less = without_zeros(number).to_vec();
    if less.is_empty() {
        return None;
    }
    subtract(&mut less, &[1]);
    Some(less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = Vec::new();
        put_string(&mut bytes, b"key");
        put_integer(&mut bytes, &[0, 0x80, 1]);
        put_integer(&mut bytes, &[0]);
        assert_eq!(bytes, b"\0\0\0\x03key\0\0\0\x03\0\x80\x01\0\0\0\0");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Some(&b"key"[..]));
        assert_eq!(reader.integer(), Some(&[0x80, 1][..]));
        assert_eq!(reader.integer(), Some(&[][..]));
        assert_eq!(reader.string(), None);
        assert_eq!(Reader::new(b"\xff\xff\xff\xffx").string(), None);
    }

    #[test]
    fn remainders_are_those_of_numbers() {
        for number in [0_u64, 1, 255, 256, 65_537, u64::MAX, 0x0123_4567_89ab_cdef] {
            for modulus in [1_u64, 2, 3, 255, 256, 257, 0x8000_0000, u64::MAX - 1, u64::MAX] {
                let found = remainder(&number.to_be_bytes(), &modulus.to_be_bytes()).unwrap();
                let wanted = (number % modulus).to_be_bytes();
                assert_eq!(found, without_zeros(&wanted), "{number} % {modulus}");
            }
        }
        assert_eq!(remainder(&[5], &[0, 0]), None);
        assert_eq!(less_one(&[1, 0, 0]).unwrap(), [0, 0xff, 0xff]);
        assert_eq!(less_one(&[0]), None);
    }
}
