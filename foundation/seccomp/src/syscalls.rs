//! Names and numbers of system calls.
//!
//! `syscalls.txt` has one row of fixed width for each name, sorted, with the numbers on `x86_64`, x86, x32, aarch64 and arm,
//! or `-`. It was derived from the kernel's uapi headers of Linux 6.17 for each architecture (`asm/unistd_64.h`,
//! `asm/unistd_32.h`, `asm/unistd_x32.h`, `asm-generic/unistd.h`, arm's `asm/unistd-eabi.h` and the private calls of its
//! `asm/unistd.h`). x32 numbers stand without the x32 bit. Fixed rows make the text itself searchable: there is no table to
//! build or to relocate at start.

use crate::architecture::Architecture;

const TABLE: &[u8] = include_bytes!("syscalls.txt");
const NAME_WIDTH: usize = 30;
const NUMBER_WIDTH: usize = 7;
/// A name, five numbers and the line's end.
const ROW_WIDTH: usize = NAME_WIDTH + 5 * NUMBER_WIDTH + 1;
const ROWS: usize = TABLE.len() / ROW_WIDTH;

const _: () = assert!(TABLE.len().is_multiple_of(ROW_WIDTH));

/// A name's row in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row(&'static [u8]);

impl Row {
    /// The call's number, without the x32 bit.
    pub(crate) fn number(self, architecture: Architecture) -> Option<u32> {
        let start = NAME_WIDTH + architecture.column() * NUMBER_WIDTH;
        let field = str::from_utf8(&self.0[start..start + NUMBER_WIDTH]).ok()?;
        field.trim_ascii_start().parse().ok()
    }
}

/// Finds a name that any of the architectures has.
pub(crate) fn find(name: &str) -> Option<Row> {
    if name.ends_with(' ') {
        return None;
    }
    // Padded like the rows; a blank sorts before everything that names consist of.
    let mut padded = [b' '; NAME_WIDTH];
    padded.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    let (mut low, mut high) = (0, ROWS);
    while low < high {
        let middle = usize::midpoint(low, high);
        let row = Row(&TABLE[middle * ROW_WIDTH..(middle + 1) * ROW_WIDTH]);
        match row.0[..NAME_WIDTH].cmp(&padded) {
            std::cmp::Ordering::Equal => return Some(row),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(row: Row) -> &'static str {
        str::from_utf8(row.0[..NAME_WIDTH].trim_ascii_end()).unwrap()
    }

    fn rows() -> Vec<Row> {
        TABLE.chunks(ROW_WIDTH).map(Row).collect()
    }

    #[test]
    fn rows_are_sorted_and_end_where_they_should() {
        let names: Vec<_> = rows().into_iter().map(name).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        assert!(rows().iter().all(|row| row.0[ROW_WIDTH - 1] == b'\n'));
    }

    #[test]
    fn every_row_is_found_and_has_a_number() {
        for row in rows() {
            let found = find(name(row)).unwrap();
            let numbers = [
                Architecture::X86_64,
                Architecture::X86,
                Architecture::X32,
                Architecture::Aarch64,
                Architecture::Arm,
            ]
            .map(|architecture| found.number(architecture));
            assert!(numbers.iter().any(Option::is_some), "{}", name(row));
        }
    }

    #[test]
    fn known_numbers() {
        let check = |name, architecture, number| {
            assert_eq!(find(name).and_then(|row| row.number(architecture)), number, "{name}");
        };
        check("read", Architecture::X86_64, Some(0));
        check("read", Architecture::X86, Some(3));
        check("rt_sigaction", Architecture::X32, Some(512));
        check("openat", Architecture::Aarch64, Some(56));
        check("set_tls", Architecture::Arm, Some(0xf0005));
        check("waitpid", Architecture::X86_64, None);
        check("file_setattr", Architecture::X86_64, Some(469));
        check("no_such_call", Architecture::X86_64, None);
        check("", Architecture::X86_64, None);
        check("read ", Architecture::X86_64, None);
        check(&"r".repeat(NAME_WIDTH + 1), Architecture::X86_64, None);
    }
}
