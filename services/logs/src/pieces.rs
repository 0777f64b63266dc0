//! Where a long line is cut: the same for whoever writes it and whoever reads it.

use crate::MAX_PIECE_BYTES;

/// The length of the first line, or piece of a line, of `text` with its newline; `None` when neither is whole.
pub(crate) fn first(text: &[u8]) -> Option<usize> {
    let window = &text[..text.len().min(MAX_PIECE_BYTES)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Some(end + 1),
        None if window.len() == MAX_PIECE_BYTES => Some(MAX_PIECE_BYTES - cut_character(window)),
        None => None,
    }
}

/// How many bytes at the end of `text` begin a UTF-8 character that goes on after it. They wait for the others.
pub(crate) fn cut_character(text: &[u8]) -> usize {
    for (back, &byte) in text.iter().rev().take(3).enumerate() {
        let needs = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back + 1 < needs { back + 1 } else { 0 };
    }
    0
}
