//! What the runtime keeps of a container: its record, its filter, and the message of a process that failed.

/// The first byte chooses the reader.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice % 3 {
        0 => gantry_runtime::fuzzing::kept_filter(rest),
        1 => gantry_runtime::fuzzing::failure(rest),
        _ => gantry_runtime::fuzzing::record(rest),
    }
}
