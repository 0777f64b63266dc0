//! How a build is shown while it goes on, and what is said at its end. All of it goes to standard error: standard output is for
//! results.

mod board;
mod ending;
mod plain;
mod tree;

use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use gantry_api::build::BuildStatus;
use gantry_api::build::progress::{BuildFailure, FAILURE_ID, ID};
use gantry_api::image::ProgressMessage;
use gantry_client::Progress;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::exchange::Exchange;
use crate::error::Error;
use crate::signals::{self, Background};
use crate::{environment, output, terminal};
use board::Board;
use plain::Plain;
use tree::Tree;

/// How often a picture is drawn again.
const FRAME: Duration = Duration::from_millis(100);
/// Messages between the connection and the screen.
const IN_FLIGHT: usize = 64;
/// The screen's size where it has none.
const SCREEN: (usize, usize) = (24, 80);

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A picture at a terminal, lines elsewhere.
    Auto,
    Plain,
    Tty,
    /// One JSON document a line, as `docker buildx` writes them.
    RawJson,
    /// The image's id and nothing else.
    Quiet,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" | "" => Ok(Self::Auto),
            "plain" => Ok(Self::Plain),
            "tty" => Ok(Self::Tty),
            "rawjson" => Ok(Self::RawJson),
            "quiet" | "none" => Ok(Self::Quiet),
            _ => Err(format!("{text:?} is not one of auto, plain, tty, rawjson, quiet")),
        }
    }
}

impl Form {
    /// What a flag says, else `BUILDKIT_PROGRESS`, else what fits.
    pub(super) fn chosen(flag: Option<Self>) -> Result<Self, Error> {
        let of_environment = || match environment::of_user("BUILDKIT_PROGRESS") {
            Some(text) => text.parse().map_err(|reason| {
                Error::refused(format!("invalid variable BUILDKIT_PROGRESS: {reason}"))
            }),
            None => Ok(Self::Auto),
        };
        let is_terminal = io::stderr().is_terminal();
        match flag.map_or_else(of_environment, Ok)? {
            Self::Auto => Ok(if is_terminal { Self::Tty } else { Self::Plain }),
            Self::Tty if !is_terminal => Err(Error::refused(
                "--progress=tty needs a terminal at standard error: use plain or auto",
            )),
            form => Ok(form),
        }
    }
}

/// What came out of following a build.
pub(super) enum Followed {
    /// It is done.
    Done,
    /// It failed, and what failed was shown; the command that did may be there as an image.
    Failed { error: Error, image: Option<String> },
    /// A signal ended it: the exit code.
    Interrupted(u8),
}

/// Shows a build until its end, and lets `exchange` do what it asks for; `take` gets every message that is about neither that nor its
/// steps.
///
/// # Errors
/// Nothing more can be shown, `take` fails, or what the build asked for cannot be done: it would wait for ever, or say less of it.
pub(super) async fn follow(
    messages: Progress,
    form: Form,
    dockerfile: &str,
    exchange: &mut Exchange,
    mut take: impl FnMut(&ProgressMessage) -> Result<(), Error>,
) -> Result<Followed, Error> {
    let mut screen = Screen::new(form);
    let mut signals = signals::ending()?;
    let (mut messages, _reading) = receive(messages);
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let message = tokio::select! {
            // It is known here before the daemon tells of it.
            biased;
            error = exchange.failed() => {
                screen.end(false);
                return Err(error);
            }
            _ = frames.tick(), if form == Form::Tty => {
                screen.draw(false);
                continue;
            }
            Some(signal) = signals.next() => {
                // The daemon sees that nobody listens any more, and ends what goes on.
                screen.end(false);
                output::remark("gantry: the build was canceled");
                return Ok(Followed::Interrupted(128 + u8::try_from(signal.as_raw()).unwrap_or(2)));
            }
            message = messages.recv() => message,
        };
        match message {
            None => break,
            Some(Ok(message)) if message.id == ID || message.id == FAILURE_ID => {
                screen.take(message);
            }
            Some(Ok(message)) => {
                if !exchange.take(&message)? {
                    take(&message)?;
                }
            }
            Some(Err(error)) => {
                screen.end(false);
                exchange.complaints().for_each(output::remark);
                screen.show_failure(dockerfile);
                let image = screen.failure.map(|failure| failure.image);
                let image = image.filter(|image| !image.is_empty());
                return Ok(Followed::Failed { error: error.into(), image });
            }
        }
    }
    screen.end(true);
    exchange.complaints().for_each(output::remark);
    Ok(Followed::Done)
}

type Message = Result<ProgressMessage, gantry_client::Error>;

/// Reads messages on a task of its own: reading one cannot be broken off and begun again.
fn receive(mut messages: Progress) -> (mpsc::Receiver<Message>, Background) {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let task = Background::spawn(async move {
        while let Some(message) = messages.next().await.transpose() {
            let is_last = message.is_err();
            if sender.send(message).await.is_err() || is_last {
                break;
            }
        }
    });
    (receiver, task)
}

/// Where a build is shown.
struct Screen {
    form: Form,
    board: Board,
    plain: Plain,
    tree: Tree,
    failure: Option<BuildFailure>,
    began: Instant,
}

impl Screen {
    fn new(form: Form) -> Self {
        let colours = environment::of_user("NO_COLOR").is_none();
        Self {
            form,
            board: Board::default(),
            plain: Plain::default(),
            tree: Tree::new(gantry_sys::clock::now(), colours),
            failure: None,
            began: Instant::now(),
        }
    }

    fn take(&mut self, message: ProgressMessage) {
        let Some(document) = message.aux else { return };
        if self.form == Form::RawJson {
            write(&format!("{document}\n"));
        }
        if message.id == FAILURE_ID {
            self.failure = serde_json::from_value(document).ok();
            return;
        }
        let Ok(status) = serde_json::from_value::<BuildStatus>(document) else { return };
        for news in self.board.take(status) {
            if self.form == Form::Plain {
                write(&self.plain.lines(&self.board, &news));
            }
        }
    }

    /// Draws the picture.
    fn draw(&mut self, is_end: bool) {
        let size = terminal::size_at_stderr();
        let size = size.map_or(SCREEN, |size| (usize::from(size.rows), usize::from(size.columns)));
        write(&self.tree.draw(&self.board, gantry_sys::clock::now(), size, is_end));
    }

    fn end(&mut self, well: bool) {
        if self.form == Form::Tty {
            self.draw(true);
        }
        if well && matches!(self.form, Form::Tty | Form::Plain) {
            write(&format!("\n{}", ending::times(&self.board, self.began.elapsed().as_secs_f64())));
        }
    }

    fn show_failure(&self, dockerfile: &str) {
        if let Some(failure) = &self.failure
            && self.form != Form::RawJson
        {
            write(&ending::failure(&self.board, failure, dockerfile));
        }
    }
}

/// Nobody can be told when this fails.
fn write(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_names() {
        assert_eq!("rawjson".parse(), Ok(Form::RawJson));
        assert!("fancy".parse::<Form>().unwrap_err().contains("auto, plain, tty, rawjson, quiet"));
    }
}
