//! The first line of a connection, as lenient as Docker's server is: scripts write JSON into a query as it is
//! (`curl 'http://d/containers/json?filters={"status":["running"]}'`), and HTTP here takes no quotes and angle brackets there.

use tokio::io::ReadBuf;

/// What has become of the first line, which is read through [`FirstLine::mend`].
#[derive(Debug, Default)]
pub(crate) struct FirstLine {
    is_over: bool,
    /// What did not fit where it was to be read to: the line is longer now.
    rest: Vec<u8>,
}

impl FirstLine {
    /// Whether nothing has to be done any more.
    pub(crate) fn is_done(&self) -> bool {
        self.is_over && self.rest.is_empty()
    }

    /// Gives what is left of what was read before. False when there was nothing.
    pub(crate) fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let fits = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..fits]);
        self.rest.drain(..fits);
        fits > 0
    }

    /// Writes the line anew in what was just read, from `start` on.
    pub(crate) fn mend(&mut self, buffer: &mut ReadBuf<'_>, start: usize) {
        let read = &buffer.filled()[start..];
        let end = read.iter().position(|byte| *byte == b'\n');
        let (line, after) = read.split_at(end.unwrap_or(read.len()));
        self.is_over = end.is_some();
        if !line.iter().any(|byte| escaped(*byte).is_some()) {
            return;
        }
        let mut mended = Vec::with_capacity(read.len() + 64);
        for byte in line {
            match escaped(*byte) {
                Some(escaped) => mended.extend_from_slice(escaped),
                None => mended.push(*byte),
            }
        }
        mended.extend_from_slice(after);
        self.rest = mended;
        buffer.set_filled(start);
        self.give(buffer);
    }

    /// What nobody has asked for.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }
}

fn escaped(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `pieces` into buffers of this size.
    fn read(pieces: &[&str], size: usize) -> String {
        let (mut line, mut text) = (FirstLine::default(), Vec::new());
        for piece in pieces {
            let mut place = vec![0; size];
            let mut buffer = ReadBuf::new(&mut place);
            buffer.put_slice(piece.as_bytes());
            if !line.is_done() {
                line.mend(&mut buffer, 0);
            }
            text.extend_from_slice(buffer.filled());
            while !line.rest.is_empty() {
                let mut place = vec![0; size];
                let mut buffer = ReadBuf::new(&mut place);
                assert!(line.give(&mut buffer));
                text.extend_from_slice(buffer.filled());
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn only_the_first_line_is_mended() {
        let mended = "GET /x?f={%22a%22:[%22%3Cb%3E%22]} HTTP/1.1\r\nName: \"<v>\"\r\n\r\n\"";
        let pieces = ["GET /x?f={\"a\":[\"<b", ">\"]} HTTP/1.1\r\nName: \"<v>", "\"\r\n\r\n\""];
        assert_eq!(read(&pieces, 64), mended);
        assert_eq!(read(&[&pieces.concat()], 61), mended);
        assert_eq!(read(&["GET / HTTP/1.1\r\n", "\"\n"], 64), "GET / HTTP/1.1\r\n\"\n");
    }
}
