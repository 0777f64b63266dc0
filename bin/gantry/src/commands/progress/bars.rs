//! Live bars at a terminal: one line for each part of the work, drawn over again as it goes on.

use std::fmt::Write;

use gantry_api::image::{ProgressDetail, ProgressMessage};

/// Cells of a whole bar.
const BAR: usize = 30;
/// Left free at the right edge, so that no terminal wraps a line.
const MARGIN: usize = 1;

/// The lines on the screen, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Bars {
    ids: Vec<String>,
}

impl Bars {
    /// What to write to the terminal for a message: control sequences and text. `columns` is its width.
    pub(super) fn draw(&mut self, message: &ProgressMessage, columns: usize) -> String {
        let text = clip(&text(message), columns.saturating_sub(MARGIN));
        if message.id.is_empty() || message.status.starts_with("Pulling from ") {
            // What is about the whole goes below, and the lines above are done with.
            self.ids.clear();
            return format!("{text}\r\n");
        }
        let Some(at) = self.ids.iter().position(|id| *id == message.id) else {
            self.ids.push(message.id.clone());
            return format!("{text}\r\n");
        };
        let up = self.ids.len() - at;
        format!("\x1b[{up}A\r\x1b[2K{text}\x1b[{up}B\r")
    }
}

fn text(message: &ProgressMessage) -> String {
    let mut text = match (message.id.as_str(), message.stream.as_str()) {
        ("", "") => message.status.clone(),
        ("", stream) => stream.trim_end_matches('\n').to_owned(),
        (id, _) => format!("{id}: {}", message.status),
    };
    if let Some(detail) = message.progress_detail.as_ref().filter(|detail| detail.current > 0) {
        // Writing to a string cannot fail.
        write!(text, " {}", bar(detail)).unwrap_or(());
    }
    text.retain(|character| !character.is_control());
    text
}

fn bar(detail: &ProgressDetail) -> String {
    let (current, total) = (bytes(detail.current), bytes(detail.total));
    if total == 0 {
        return size(current);
    }
    let share = u128::from(current.min(total)) * BAR as u128 / u128::from(total);
    let filled = usize::try_from(share).unwrap_or(BAR);
    let head = if filled < BAR { ">" } else { "" };
    let bar = format!("{}{head}", "=".repeat(filled));
    format!("[{bar:<BAR$}] {}/{}", size(current), size(total))
}

fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// In Docker's decimal units, with four digits at most.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let (mut scaled, mut unit) = (bytes, 0);
    while scaled >= 1_000_000 && unit + 1 < UNITS.len() {
        scaled /= 1000;
        unit += 1;
    }
    format!("{}.{}{}", scaled / 1000, scaled % 1000 / 100, UNITS[unit])
}

fn clip(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, status: &str, figures: Option<(i64, i64)>) -> ProgressMessage {
        let mut message = ProgressMessage::status(id, status);
        message.progress_detail = figures.map(|(current, total)| ProgressDetail {
            current,
            total,
            ..ProgressDetail::default()
        });
        message
    }

    #[test]
    fn lines_are_drawn_over() {
        let mut bars = Bars::default();
        assert_eq!(bars.draw(&message("a", "Waiting", None), 80), "a: Waiting\r\n");
        assert_eq!(bars.draw(&message("b", "Waiting", None), 80), "b: Waiting\r\n");
        let half = bars.draw(&message("a", "Downloading", Some((500, 1000))), 80);
        assert_eq!(
            half,
            "\x1b[2A\r\x1b[2Ka: Downloading [===============>              ] 500B/1.0kB\x1b[2B\r"
        );
        assert_eq!(bars.draw(&message("", "Status: done", None), 80), "Status: done\r\n");
        assert_eq!(bars.draw(&message("a", "again", None), 80), "a: again\r\n");
    }

    #[test]
    fn narrow_terminals_and_hostile_texts() {
        let mut bars = Bars::default();
        assert_eq!(bars.draw(&message("a", "Waiting", None), 6), "a: Wa\r\n");
        assert_eq!(bars.draw(&message("", "x\x1b[2Jy", None), 80), "x[2Jy\r\n");
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0kB"),
            (1_550_000, "1.5MB"),
            (646_000_000, "646.0MB"),
            (12_300_000_000, "12.3GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert!(
            bar(&ProgressDetail { current: 10, total: 10, ..ProgressDetail::default() })
                .contains("==]")
        );
    }
}
