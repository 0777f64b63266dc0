//! Copying, with strings in place of the standard streams.

use super::*;

#[tokio::test]
async fn input_goes_through_until_its_end() {
    let mut sent = Vec::new();
    assert!(!feed(&mut &b"hello"[..], &mut sent, None).await);
    assert_eq!(sent, b"hello");
}

#[tokio::test]
async fn the_keys_to_detach_end_the_input() {
    let mut sent = Vec::new();
    let mut keys = Keys::new(&DetachKeys::default());
    assert!(feed(&mut &b"ls\n\x10\x11rest"[..], &mut sent, Some(&mut keys)).await);
    assert_eq!(sent, b"ls\n");
}

#[tokio::test]
async fn without_a_terminal_keys_are_bytes() {
    let mut sent = Vec::new();
    assert!(!feed(&mut &b"\x10\x11"[..], &mut sent, None).await);
    assert_eq!(sent, b"\x10\x11");
}

#[tokio::test]
async fn raw_output_is_copied() {
    let mut written = Vec::new();
    copy_raw(&mut &b"one\r\ntwo"[..], &mut written).await.unwrap();
    assert_eq!(written, b"one\r\ntwo");
}
