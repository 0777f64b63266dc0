//! From the state to the bytes of one screen: layers on the left, files on the right, keys at the bottom. Pure.

use super::super::tree::{Row, printable};
use super::super::{bytes, size_of, summary};
use super::state::{Cursor, FRAME_LINES, Pane, State};
use gantry_api::image::ImageLayer;

/// The left half: number, size, wasted, and the beginning of the step.
const LAYERS_WIDTH: usize = 40;

const KEYS: &str = "↑↓ move  Tab other pane  ←→ fold  e/f unfold/fold all  / filter  q quit";

/// A screen of so many rows and columns.
pub(super) fn paint(state: &State, (rows, columns): (usize, usize)) -> String {
    let height = rows.saturating_sub(FRAME_LINES);
    let left = LAYERS_WIDTH.min(columns / 2);
    let right = columns.saturating_sub(left + 1);
    let mut screen = String::from("\x1b[H");
    let title = format!("{}  {}", printable(&state.image), summary(&state.told));
    line(&mut screen, &[(Look::Bold, &title, columns)]);
    let (layers, files) = headings(state);
    line(
        &mut screen,
        &[(layers.0, &layers.1, left), (Look::Plain, "│", 1), (files.0, &files.1, right)],
    );
    let shown = state.files();
    for at in 0..height {
        let layer = state.told.layers.get(state.layer.top + at);
        let layer_text =
            layer.map_or_else(String::new, |layer| layer_line(state.layer.top + at, layer));
        let layer_look = look(&state.layer, state.layer.top + at, state.pane == Pane::Layers);
        let index = state.file.top + at;
        let row = shown.as_ref().and_then(|rows| rows.get(index));
        let file_text = match (&shown, row) {
            (None, _) if at == 0 => "asking the daemon…".to_owned(),
            (Some(rows), _) if rows.is_empty() && at == 0 => "nothing".to_owned(),
            (_, row) => row.map(Row::line).unwrap_or_default(),
        };
        let file_look = match row {
            Some(_) if index == state.file.at && state.pane == Pane::Files => Look::Marked,
            Some(row) => of_row(row),
            None => Look::Plain,
        };
        let cells = [
            (layer.map_or(Look::Plain, |_| layer_look), layer_text.as_str(), left),
            (Look::Plain, "│", 1),
            (file_look, file_text.as_str(), right),
        ];
        line(&mut screen, &cells);
    }
    let marked = state.told.layers.get(state.layer.at);
    let step = marked.map_or_else(String::new, |layer| printable(&layer.created_by));
    line(&mut screen, &[(Look::Plain, &step, columns)]);
    let last = if state.is_typing || !state.filter.is_empty() {
        let end = if state.is_typing { "_  Enter keep  Esc clear" } else { "  Esc clear  q quit" };
        format!("filter: {}{end}", printable(&state.filter))
    } else {
        KEYS.to_owned()
    };
    // No line feed behind the last line: it would scroll.
    screen.push_str(&cell(Look::Faint, &last, columns));
    screen.push_str("\x1b[K\x1b[J");
    screen
}

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Bold,
    Faint,
    /// Where the keys go.
    Marked,
    /// Where they would go.
    Chosen,
    Added,
    Changed,
    Deleted,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Marked => "\x1b[7m",
            Self::Chosen => "\x1b[4m",
            Self::Added => "\x1b[32m",
            Self::Changed => "\x1b[33m",
            Self::Deleted => "\x1b[31m",
        }
    }
}

fn look(cursor: &Cursor, index: usize, has_keys: bool) -> Look {
    match (cursor.at == index, has_keys) {
        (true, true) => Look::Marked,
        (true, false) => Look::Chosen,
        _ => Look::Plain,
    }
}

fn of_row(row: &Row<'_>) -> Look {
    match row.mark() {
        _ if row.is_hidden() => Look::Faint,
        'A' => Look::Added,
        'C' => Look::Changed,
        'D' => Look::Deleted,
        _ => Look::Plain,
    }
}

fn headings(state: &State) -> ((Look, String), (Look, String)) {
    let look = |pane| if state.pane == pane { Look::Bold } else { Look::Plain };
    let files = format!("   {:10} {:>7}  FILES OF LAYER {}", "MODE", "SIZE", state.layer.at + 1);
    let layers = format!("{:>3} {:>7} {:>7}  {}", "#", "SIZE", "WASTED", "CREATED BY");
    ((look(Pane::Layers), layers), (look(Pane::Files), files))
}

fn layer_line(index: usize, layer: &ImageLayer) -> String {
    let (size, wasted) = (bytes(size_of(layer)), bytes(layer.wasted.bytes));
    let step = layer.created_by.strip_prefix("/bin/sh -c ").unwrap_or(&layer.created_by);
    format!("{:>3} {size:>7} {wasted:>7}  {}", index + 1, printable(step))
}

/// Cells of a line, each with its look and its width.
fn line(screen: &mut String, cells: &[(Look, &str, usize)]) {
    for (look, text, width) in cells {
        screen.push_str(&cell(*look, text, *width));
    }
    screen.push_str("\x1b[K\r\n");
}

/// The text, cut or filled to the width.
fn cell(look: Look, text: &str, width: usize) -> String {
    let cut: String = text.chars().take(width).collect();
    let filled = format!("{cut:<width$}");
    match look.code() {
        "" => filled,
        code => format!("{code}{filled}\x1b[0m"),
    }
}

#[cfg(test)]
mod tests {
    use gantry_api::image::{ImageLayers, LayerFile};

    use super::super::super::tree::Tree;
    use super::*;

    /// The screen without its looks.
    fn plain(state: &State, size: (usize, usize)) -> Vec<String> {
        let painted = paint(state, size);
        let mut text = String::new();
        let mut rest = painted.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            text.push_str(before);
            rest = after.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
        }
        text.push_str(rest);
        text.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_screen() {
        let layer =
            ImageLayer { created_by: "/bin/sh -c touch /a\x1b".into(), ..ImageLayer::default() };
        let told = ImageLayers { layers: vec![layer], ..ImageLayers::default() };
        let mut state = State::new("busybox", told);
        let waiting = plain(&state, (10, 80));
        assert!(waiting[2].ends_with(&format!("│{:39}", "asking the daemon…")), "{waiting:?}");
        let file = LayerFile { path: "a".into(), change: "A".into(), ..LayerFile::default() };
        state.take(1, Tree::new(&[file]));
        let screen = plain(&state, (10, 80));
        assert_eq!(screen.len(), 10);
        assert!(screen.iter().all(|line| line.chars().count() == 80), "{screen:?}");
        assert!(screen[0].starts_with("busybox  1 layer, 0B, 0B wasted (0.0%)"), "{screen:?}");
        assert!(screen[2].starts_with("  1      0B      0B  touch /a\\u{1b}"), "{screen:?}");
        assert!(screen[2].contains("│A  ----------      0B  a"), "{screen:?}");
        assert!(screen[9].starts_with(KEYS));
        // However small it is.
        for size in [(0, 0), (1, 1), (3, 5), (4, 300)] {
            let lines = plain(&state, size);
            assert!(
                lines.iter().all(|line| line.chars().count() <= size.1.max(1) + 1),
                "{lines:?}"
            );
        }
    }
}
