//! The files of a layer as a tree: what comes under what, what is folded away, and how one line looks. Pure.

use std::collections::BTreeSet;

use gantry_api::image::LayerFile;

use super::bytes;

/// The type of a directory in `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const TYPE: u32 = 0o170_000;

/// The files of one layer, each directory before what is in it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Vec<Entry>,
}

/// One file or directory.
#[derive(Debug)]
struct Entry {
    file: LayerFile,
    depth: usize,
    /// Where the next entry is that is not below this one.
    end: usize,
}

/// One line of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Its place in the tree.
    pub(super) index: usize,
    pub(super) is_folded: bool,
    entry: &'a Entry,
}

impl Tree {
    /// Orders what the daemon told. Directories that it did not mention are put in.
    pub(super) fn new(files: &[LayerFile]) -> Self {
        let mut files: Vec<LayerFile> = files.to_vec();
        let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let implied: BTreeSet<String> = files
            .iter()
            .flat_map(|file| file.path.match_indices('/').map(|(slash, _)| &file.path[..slash]))
            .filter(|parent| !known.contains(parent))
            .map(str::to_owned)
            .collect();
        let directory = |path| LayerFile { path, mode: DIRECTORY, ..LayerFile::default() };
        files.extend(implied.into_iter().map(directory));
        // By names: a slash would come after some letters that names have.
        files.sort_by(|one, other| one.path.split('/').cmp(other.path.split('/')));
        let mut entries: Vec<Entry> = files
            .into_iter()
            .enumerate()
            .map(|(index, file)| Entry {
                depth: file.path.matches('/').count(),
                file,
                end: index + 1,
            })
            .collect();
        let mut open: Vec<usize> = Vec::new();
        for index in 0..=entries.len() {
            let depth = entries.get(index).map_or(0, |entry| entry.depth);
            while let Some(&last) = open.last()
                && (index == entries.len() || entries[last].depth >= depth)
            {
                entries[last].end = index;
                open.pop();
            }
            open.push(index);
        }
        Self { entries }
    }

    /// Every line.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let row = |(index, entry)| Row { index, is_folded: false, entry };
        self.entries.iter().enumerate().map(row)
    }

    /// The lines without what is in `folded` directories.
    pub(super) fn unfolded(&self, folded: &BTreeSet<usize>) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        let mut index = 0;
        while let Some(entry) = self.entries.get(index) {
            let is_folded = folded.contains(&index);
            rows.push(Row { index, is_folded, entry });
            index = if is_folded { entry.end } else { index + 1 };
        }
        rows
    }

    /// The lines with `text` in their path, capital letters or not, and the directories on the way to them.
    pub(super) fn matching(&self, text: &str) -> Vec<Row<'_>> {
        let text = text.to_lowercase();
        let mut kept = vec![false; self.entries.len()];
        let mut way: Vec<usize> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            while way.last().is_some_and(|&parent| self.entries[parent].end <= index) {
                way.pop();
            }
            if entry.file.path.to_lowercase().contains(&text) {
                kept[index] = true;
                for &parent in &way {
                    kept[parent] = true;
                }
            }
            way.push(index);
        }
        self.rows().filter(|row| kept[row.index]).collect()
    }

    /// The directories that have something in them.
    pub(super) fn directories(&self) -> BTreeSet<usize> {
        let has_children = |(index, entry): &(usize, &Entry)| entry.end > index + 1;
        self.entries.iter().enumerate().filter(has_children).map(|(index, _)| index).collect()
    }

    /// The directory that an entry is in.
    pub(super) fn parent(&self, index: usize) -> Option<usize> {
        let depth = self.entries.get(index)?.depth.checked_sub(1)?;
        (0..index).rev().find(|&above| self.entries[above].depth == depth)
    }

    /// Whether something is below an entry.
    pub(super) fn has_children(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.end > index + 1)
    }
}

impl Row<'_> {
    /// `A`, `C`, `D`, or a blank.
    pub(super) fn mark(&self) -> char {
        self.entry.file.change.chars().next().unwrap_or(' ')
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.entry.file.hidden
    }

    /// Mark, mode, size and name, the name as far to the right as it lies deep.
    pub(super) fn line(&self) -> String {
        let LayerFile { path, mode, bytes: count, hidden, .. } = &self.entry.file;
        let star = if *hidden { '*' } else { ' ' };
        let is_directory = mode & TYPE == DIRECTORY;
        let size = if is_directory && *count == 0 { String::new() } else { bytes(*count) };
        let name = printable(path.rsplit('/').next().unwrap_or(path));
        let slash = if is_directory { "/" } else { "" };
        let more = if self.is_folded { " …" } else { "" };
        let indent = "  ".repeat(self.entry.depth);
        format!("{}{star} {} {size:>7}  {indent}{name}{slash}{more}", self.mark(), letters(*mode))
    }
}

/// Names are whatever an image's maker wrote: nothing of them reaches the terminal as a command.
pub(super) fn printable(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// A mode as ls(1) writes it.
fn letters(mode: u32) -> String {
    let kind = match mode & TYPE {
        DIRECTORY => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str, u32, u64)]) -> Tree {
        let file = |&(change, path, mode, count): &(&str, &str, u32, u64)| LayerFile {
            path: path.to_owned(),
            change: change.to_owned(),
            mode,
            bytes: count,
            hidden: path.ends_with("old"),
        };
        Tree::new(&files.iter().map(file).collect::<Vec<_>>())
    }

    fn sample() -> Tree {
        tree(&[
            ("C", "etc", 0o40755, 0),
            ("A", "etc/a-b", 0o100_644, 1500),
            ("C", "etc/a", 0o40700, 0),
            ("D", "etc/a/z", 0o100_600, 3),
            ("A", "usr/bin/su", 0o104_755, 10),
            ("A", "usr/old", 0o120_777, 0),
        ])
    }

    fn lines(rows: &[Row<'_>]) -> Vec<String> {
        rows.iter().map(Row::line).collect()
    }

    #[test]
    fn in_order_with_directories_that_nobody_mentioned() {
        let sample = sample();
        assert_eq!(
            lines(&sample.rows().collect::<Vec<_>>()),
            [
                "C  drwxr-xr-x          etc/",
                "C  drwx------            a/",
                "D  -rw-------      3B      z",
                "A  -rw-r--r--   1.5kB    a-b",
                "   d---------          usr/",
                "   d---------            bin/",
                "A  -rwsr-xr-x     10B      su",
                "A* lrwxrwxrwx      0B    old",
            ]
        );
    }

    #[test]
    fn folding_and_finding() {
        let sample = sample();
        assert_eq!(sample.directories(), BTreeSet::from([0, 1, 4, 5]));
        assert_eq!(
            (sample.parent(2), sample.parent(7), sample.parent(4)),
            (Some(1), Some(4), None)
        );
        let shown = sample.unfolded(&BTreeSet::from([0, 5]));
        let names: Vec<String> = lines(&shown).iter().map(|line| line[23..].to_owned()).collect();
        assert_eq!(names, ["etc/ …", "usr/", "  bin/ …", "  old"]);
        let found = sample.matching("SU");
        let names: Vec<String> = lines(&found).iter().map(|line| line[23..].to_owned()).collect();
        assert_eq!(names, ["usr/", "  bin/", "    su"]);
        assert!(sample.matching("nothing").is_empty());
        assert_eq!(Tree::new(&[]).rows().count(), 0);
    }

    #[test]
    fn names_are_no_commands_for_the_terminal() {
        let hostile = tree(&[("A", "a\u{1b}]0;x\u{7}\n", 0o100_644, 0)]);
        let line = hostile.rows().next().unwrap().line();
        assert!(line.ends_with(r"a\u{1b}]0;x\u{7}\n"), "{line}");
    }
}
