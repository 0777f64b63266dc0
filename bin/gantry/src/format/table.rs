//! Columns: lines with tabs between the cells, each column as wide as its widest cell.

use std::fmt::Write as _;

/// Columns are at least so wide, their distance included.
const LEAST_WIDTH: usize = 10;
/// Blanks between columns.
const DISTANCE: usize = 3;

/// Lays `lines` out; the last cell of a line is as wide as it is.
pub(crate) fn layout(lines: &[String]) -> String {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
            let width = (cell.chars().count() + DISTANCE).max(LEAST_WIDTH);
            match widths.get_mut(column) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in &rows {
        let (last, others) = row.split_last().unwrap_or((&"", &[]));
        for (cell, width) in others.iter().zip(&widths) {
            // Writing into a string cannot fail.
            write!(text, "{cell:<width$}").unwrap_or(());
        }
        text.push_str(last);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let lines = ["CONTAINER ID\tIMAGE\tNAMES", "0123456789ab\tbusybox:latest\tweb", "x\ty\tz"];
        let lines: Vec<String> = lines.map(str::to_owned).to_vec();
        assert_eq!(
            layout(&lines),
            "CONTAINER ID   IMAGE            NAMES\n\
             0123456789ab   busybox:latest   web\n\
             x              y                z\n"
        );
        assert_eq!(layout(&["IMAGE\tCOMMAND".to_owned()]), "IMAGE     COMMAND\n");
        assert_eq!(layout(&[]), "");
    }
}
