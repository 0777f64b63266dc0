//! The terminal view of an image's layers: reads keys, asks the daemon for files, and puts what the state shows onto the
//! screen. What keys do is in [`state`]; how it looks is in [`paint`].

mod keys;
mod paint;
mod state;

use gantry_api::image::ImageLayers;
use tokio::io::AsyncReadExt;

use super::Source;
use super::tree::Tree;
use crate::error::Error;
use crate::exit::of_status;
use crate::terminal::{self, RawMode};
use crate::{output, signals};
use state::{State, Wish};

/// Another screen, without a cursor and without line breaks of the terminal's own.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// The old screen as it was.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A screen where the terminal says nothing of its size.
const USUAL_SIZE: (usize, usize) = (24, 80);

/// Fails when there is no terminal to draw on and to read keys from.
pub(super) fn check_terminal() -> Result<(), Error> {
    if terminal::stdin_is_terminal() && terminal::stdout_is_terminal() {
        return Ok(());
    }
    Err(Error::refused("--interactive needs a terminal for its input and its output"))
}

/// Shows the layers until the user leaves; the exit code.
pub(super) async fn run(source: Source, told: ImageLayers) -> Result<u8, Error> {
    let screen = Screen::enter()?;
    let mut ending = signals::ending()?;
    let mut resized = signals::resized()?;
    let mut stdin = tokio::io::stdin();
    let mut state = State::new(&source.image, told);
    let mut buffer = [0; 256];
    loop {
        if let Some(number) = state.missing() {
            show(&state)?;
            let files = source.files(number).await?;
            state.take(number, Tree::new(&files.files));
        }
        show(&state)?;
        tokio::select! {
            biased;
            signal = ending.next() => {
                drop(screen);
                return Ok(signal.map_or(0, |signal| of_status(128 + i64::from(signal.as_raw()))));
            }
            Some(_) = resized.next() => {}
            read = stdin.read(&mut buffer) => {
                let read = read.unwrap_or(0);
                if read == 0 {
                    return Ok(0);
                }
                for key in keys::parse(&buffer[..read]) {
                    if state.press(key, screen_size().0) == Wish::Leave {
                        return Ok(0);
                    }
                }
            }
        }
    }
}

/// The terminal while it is ours; given back when dropped.
struct Screen {
    _raw: Option<RawMode>,
}

impl Screen {
    fn enter() -> Result<Self, Error> {
        let raw = RawMode::enter()?;
        // Made first, so that a failure gives the terminal back.
        let screen = Self { _raw: raw };
        output::print(ENTER)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        output::print(LEAVE).unwrap_or(());
    }
}

fn show(state: &State) -> Result<(), Error> {
    output::print(&paint::paint(state, screen_size()))
}

/// Rows and columns.
fn screen_size() -> (usize, usize) {
    terminal::size().map_or(USUAL_SIZE, |size| (size.rows.into(), size.columns.into()))
}
