//! A bundle's `config.json`: parsing, planning, and compiling its profile.

/// The bytes are the document.
pub fn run(data: &[u8]) {
    gantry_runtime::fuzzing::config(data);
}
