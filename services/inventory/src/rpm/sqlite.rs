//! The rows of one table of a database of `SQLite` (sqlite.org/fileformat2.html), read from its pages. The file is anybody's: what does not
//! fit ends the reading, nothing is followed in a circle, and `SQLite` itself never sees it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Result;

/// The first bytes of a database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of its header, which is on the first page.
const HEADER: usize = 100;
/// How deep pages lie below one another at most.
const MAX_DEPTH: usize = 20;
/// The most bytes of one row: a package with very many files.
const MAX_ROW: usize = 64 << 20;
/// The most bytes of the log, and of the pages of one table: several times what whole distributions have. A file may say that it is of any
/// length, and need no room for it.
const MAX_READ: u64 = 1 << 30;
/// Bytes of the log's header, and of that of each page in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Kinds of pages that a table has.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// A database, and the pages that are newer in its log.
pub(super) struct Database {
    file: File,
    log: Option<File>,
    newer: HashMap<u32, u64>,
    page_bytes: usize,
    /// What of a page is its own.
    usable: usize,
    pages: u32,
}

/// What lies in a page of a table.
enum Branch {
    /// More pages, in order.
    Pages(Vec<u32>),
    /// The cells of rows, by where in the page it says where they begin.
    Cells { page: Vec<u8>, pointers: Vec<usize> },
}

/// A value of a row.
enum Value<'r> {
    Number(i64),
    Bytes(&'r [u8]),
    Other,
}

impl Database {
    /// Nothing where it is no database.
    pub(super) fn open(file: File, log: Option<File>) -> Option<Self> {
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).ok()?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            bytes => usize::from(bytes),
        };
        let usable = page_bytes.checked_sub(usize::from(header[20]))?;
        // The format's own bounds: with them no sum below goes wrong.
        if !page_bytes.is_power_of_two() || page_bytes < 512 || usable < 480 {
            return None;
        }
        let length = file.metadata().ok()?.len();
        let pages = u32::try_from(length / page_bytes as u64).ok()?;
        let mut database = Self { file, log, newer: HashMap::new(), page_bytes, usable, pages };
        database.read_log();
        Some(database)
    }

    /// Notes the pages of all that was committed to the log.
    fn read_log(&mut self) -> Option<()> {
        let log = self.log.as_ref()?;
        let mut header = [0; LOG_HEADER];
        log.read_exact_at(&mut header, 0).ok()?;
        let salts = header[16..24].to_vec();
        if number(&header, 8)? as usize != self.page_bytes {
            return None;
        }
        let mut uncommitted = Vec::new();
        let mut at = LOG_HEADER as u64;
        let mut frame = [0; FRAME_HEADER];
        while at < MAX_READ && log.read_exact_at(&mut frame, at).is_ok() && frame[8..16] == salts {
            let (page, size) = (number(&frame, 0)?, number(&frame, 4)?);
            uncommitted.push((page, at + FRAME_HEADER as u64));
            if size > 0 {
                self.newer.extend(uncommitted.drain(..));
                self.pages = size;
            }
            at += (FRAME_HEADER + self.page_bytes) as u64;
        }
        Some(())
    }

    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        if let (Some(at), Some(log)) = (self.newer.get(&number), &self.log) {
            log.read_exact_at(&mut page, *at).ok()?;
        } else {
            let before = u64::from(number.checked_sub(1)?);
            self.file.read_exact_at(&mut page, before * self.page_bytes as u64).ok()?;
        }
        page.truncate(self.usable);
        Some(page)
    }

    /// Shows the second column of each row of a table, where that is a blob; as far as the file can be understood. `wanted` is asked
    /// from time to time.
    ///
    /// # Errors
    /// Those of `wanted` and `visit`, which end it.
    pub(super) fn rows(
        &self,
        table: &str,
        wanted: &dyn Fn() -> Result<()>,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut root = None;
        self.walk(1, wanted, &mut |row| {
            let values = values(row);
            let is_it = matches!(values.get(..2), Some([Value::Bytes(b"table"), Value::Bytes(name)]) if *name == table.as_bytes());
            if let (true, Some(Value::Number(page))) = (is_it, values.get(3)) {
                root = u32::try_from(*page).ok();
            }
            Ok(())
        })?;
        let Some(root) = root else { return Ok(()) };
        self.walk(root, wanted, &mut |row| match values(row).get(1) {
            Some(Value::Bytes(blob)) => visit(blob),
            _ => Ok(()),
        })
    }

    /// Shows the rows of the table whose first page this is.
    fn walk(
        &self,
        root: u32,
        wanted: &dyn Fn() -> Result<()>,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        // No page is in a table twice: who has seen as many as there are goes in a circle.
        let most = u32::try_from(MAX_READ / self.page_bytes as u64).unwrap_or(u32::MAX);
        let mut left = self.pages.min(most);
        let mut pending = vec![(root, 0)];
        while let Some((page_number, depth)) = pending.pop() {
            wanted()?;
            if depth > MAX_DEPTH {
                return Ok(());
            }
            match self.branch(page_number, &mut left) {
                None => return Ok(()),
                // The last one is taken first.
                Some(Branch::Pages(below)) => {
                    pending.extend(below.into_iter().rev().map(|page| (page, depth + 1)));
                }
                Some(Branch::Cells { page, pointers }) => {
                    // Neither do cells lie in one another.
                    let mut own = self.usable;
                    for pointer in pointers {
                        wanted()?;
                        let at = short(&page, pointer);
                        let row = at.and_then(|at| self.row(&page, at, (&mut own, &mut left)));
                        let Some(row) = row else { return Ok(()) };
                        visit(&row)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a page of a table has.
    fn branch(&self, page_number: u32, left: &mut u32) -> Option<Branch> {
        *left = left.checked_sub(1)?;
        let page = self.page(page_number)?;
        let start = if page_number == 1 { HEADER } else { 0 };
        let kind = *page.get(start)?;
        let cells = short(&page, start + 3)?;
        let pointers = start + if kind == INTERIOR { 12 } else { 8 };
        let pointers = (0..cells).map(move |index| pointers + 2 * index);
        match kind {
            INTERIOR => {
                let below = pointers.map(|pointer| number(&page, short(&page, pointer)?));
                let last = number(&page, start + 8);
                Some(Branch::Pages(below.chain([last]).collect::<Option<_>>()?))
            }
            LEAF => Some(Branch::Cells { pointers: pointers.collect(), page }),
            _ => None,
        }
    }

    /// A row out of its cell, and of the pages that it goes on in; of the bytes and pages that are left, those that it has go.
    fn row(&self, page: &[u8], at: usize, (own, left): (&mut usize, &mut u32)) -> Option<Vec<u8>> {
        let cell = page.get(at..)?;
        let mut rest = cell;
        let length =
            usize::try_from(varint(&mut rest)?).ok().filter(|length| *length <= MAX_ROW)?;
        let _row_id = varint(&mut rest)?;
        let most = self.usable - 35;
        let local = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let local = least + (length - least) % (self.usable - 4);
            if local <= most { local } else { least }
        };
        *own = own.checked_sub(cell.len() - rest.len() + local)?;
        let mut row = rest.get(..local)?.to_vec();
        let mut next = if row.len() < length { number(rest, local)? } else { 0 };
        while row.len() < length {
            *left = left.checked_sub(1)?;
            let page = self.page(next)?;
            next = number(&page, 0)?;
            let count = (length - row.len()).min(self.usable - 4);
            row.extend_from_slice(page.get(4..4 + count)?);
        }
        Some(row)
    }
}

/// The values of a row, as far as they are there.
fn values(row: &[u8]) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    let mut header = row;
    let Some(length) = varint(&mut header).and_then(|length| usize::try_from(length).ok()) else {
        return values;
    };
    let used = row.len() - header.len();
    let (Some(mut kinds), Some(mut data)) = (row.get(used..length), row.get(length..)) else {
        return values;
    };
    while let Some(kind) = varint(&mut kinds) {
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return values,
            _ => (kind - 12) / 2,
        };
        let Some((value, rest)) =
            usize::try_from(bytes).ok().and_then(|n| data.split_at_checked(n))
        else {
            return values;
        };
        data = rest;
        values.push(match kind {
            1..=6 => Value::Number(value.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte))),
            8 | 9 => Value::Number(i64::from(kind == 9)),
            12.. => Value::Bytes(value),
            _ => Value::Other,
        });
    }
    values
}

/// A number in groups of seven bits, the highest first; the ninth byte has eight.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for index in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if index == 8 {
            return Some(number << 8 | u64::from(*byte));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
