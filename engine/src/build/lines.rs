//! What a build says of itself, in the words of Docker's builder: clients look for them.

use std::borrow::Cow;

use gantry_api::image::ProgressMessage;
use gantry_build::{Teller, Told};
use gantry_types::Digest;
use tokio::sync::mpsc;

/// Letters of a digest that people read.
const SHORT: usize = 12;

/// Says how a build goes to one client.
pub(super) struct Lines<'a> {
    messages: &'a mpsc::Sender<ProgressMessage>,
    quiet: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(messages: &'a mpsc::Sender<ProgressMessage>, quiet: bool) -> Self {
        Self { messages, quiet }
    }
}

impl Teller for Lines<'_> {
    fn tell(&self, told: Told<'_>) {
        if self.quiet {
            return;
        }
        let line: Cow<'_, str> = match told {
            Told::Began { number, total, text } => {
                format!("Step {number}/{total} : {text}\n").into()
            }
            Told::Cached { .. } => " ---> Using cache\n".into(),
            Told::Output { bytes, .. } => String::from_utf8_lossy(bytes),
            Told::Ended { layer: Some(layer), .. } => {
                format!(" ---> {}\n", &layer.hex()[..SHORT]).into()
            }
            Told::Ended { layer: None, .. } => return,
        };
        // A client that has gone is seen by `is_alone`.
        drop(self.messages.blocking_send(ProgressMessage::stream(line.into_owned())));
    }

    fn is_alone(&self) -> bool {
        self.messages.is_closed()
    }
}

/// What is said at the end.
pub(super) fn of_result(id: &Digest, names: &[String], quiet: bool) -> Vec<ProgressMessage> {
    if quiet {
        return vec![ProgressMessage::stream(format!("{id}\n"))];
    }
    let aux = ProgressMessage {
        aux: Some(serde_json::json!({ "ID": id.to_string() })),
        ..ProgressMessage::default()
    };
    let built = ProgressMessage::stream(format!("Successfully built {}\n", &id.hex()[..SHORT]));
    let tagged =
        names.iter().map(|name| ProgressMessage::stream(format!("Successfully tagged {name}\n")));
    [aux, built].into_iter().chain(tagged).collect()
}
