//! `passwd` and `group` of an image, with what the user wrote.

/// Three texts, parted by the first two NUL bytes: the user, passwd, group.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    gantry_runtime::fuzzing::accounts(part(), part(), part());
}
