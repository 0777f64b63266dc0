//! Frames in pieces, back to back, and hostile.

use super::*;

fn frame(stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, &Frame { stream_id, kind: FrameKind::Request, flags: 1, payload })
        .unwrap();
    bytes
}

#[test]
fn a_header_is_ten_bytes_big_endian() {
    assert_eq!(frame(0x0102_0304, b"hi"), b"\0\0\0\x02\x01\x02\x03\x04\x01\x01hi");
}

#[test]
fn frames_come_whole_however_they_arrive() {
    let stream = [frame(1, b"one"), frame(3, b""), frame(5, &[7; 9000])].concat();
    for step in [1, 2, 9, 10, 11, 4096, stream.len()] {
        let mut buffer = FrameBuffer::default();
        let mut seen = Vec::new();
        for piece in stream.chunks(step) {
            buffer.extend(piece);
            while let Some(frame) = buffer.next_frame().unwrap() {
                assert_eq!((frame.kind, frame.flags), (FrameKind::Request, 1));
                seen.push((frame.stream_id, frame.payload.len()));
            }
        }
        assert_eq!(seen, [(1, 3), (3, 0), (5, 9000)], "in steps of {step}");
        assert!(buffer.is_empty());
    }
}

#[test]
fn a_rare_large_frame_gives_its_memory_back() {
    let mut buffer = FrameBuffer::default();
    buffer.extend(&frame(1, &vec![0; 1 << 20]));
    assert!(buffer.next_frame().unwrap().is_some());
    buffer.extend(&frame(3, b"x"));
    assert!(buffer.bytes.capacity() <= IDLE_CAPACITY_BYTES);
    assert_eq!(buffer.next_frame().unwrap().map(|frame| frame.stream_id), Some(3));
}

#[test]
fn hostile_headers_are_refused_before_their_payload_comes() {
    let mut buffer = FrameBuffer::default();
    buffer.extend(b"\xff\xff\xff\xff\0\0\0\x01\x01\0");
    let expected = Error::FrameTooLarge { length: 0xffff_ffff, limit: MAX_PAYLOAD_BYTES };
    assert_eq!(buffer.next_frame(), Err(expected));

    let mut buffer = FrameBuffer::default();
    buffer.extend(b"\0\0\0\x01\0\0\0\x01\x09\0");
    assert_eq!(buffer.next_frame(), Err(Error::FrameKind(9)));
}

#[test]
fn a_frame_over_the_limit_is_not_sent() {
    let payload = vec![0; MAX_PAYLOAD_BYTES + 1];
    let too_large = Frame { stream_id: 1, kind: FrameKind::Response, flags: 0, payload: &payload };
    let mut out = Vec::new();
    assert!(put_frame(&mut out, &too_large).is_err());
    assert!(out.is_empty());
}
