//! The messages of a long operation: live bars at a terminal, one a line elsewhere.

mod bars;

use gantry_api::image::ProgressMessage;
use gantry_client::Progress;

use crate::error::Error;
use crate::{output, terminal};
use bars::Bars;

/// Hands each message's text to `print` until the operation is done; its failure is an error.
pub(super) async fn show(
    messages: &mut Progress,
    print: impl Fn(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Some(message) = messages.next().await? {
        if let Some(text) = text(&message) {
            print(&text)?;
        }
    }
    Ok(())
}

/// Shows the messages on standard output as they come, until the operation is done; its failure is an error.
pub(super) async fn draw(messages: &mut Progress) -> Result<(), Error> {
    if !terminal::stdout_is_terminal() {
        return show(messages, output::line).await;
    }
    let mut bars = Bars::default();
    while let Some(message) = messages.next().await? {
        if message.status.is_empty() && message.stream.is_empty() {
            continue;
        }
        let columns = terminal::size().map_or(80, |size| usize::from(size.columns));
        output::print(&bars.draw(&message, columns))?;
    }
    Ok(())
}

/// What a message says to people. How far a part has come is left out: it would be many lines.
fn text(message: &ProgressMessage) -> Option<String> {
    let moving = message.progress_detail.as_ref().is_some_and(|detail| detail.current > 0);
    match message {
        _ if moving => None,
        ProgressMessage { stream, .. } if !stream.is_empty() => {
            Some(stream.trim_end_matches('\n').to_owned())
        }
        ProgressMessage { status, .. } if status.is_empty() => None,
        ProgressMessage { id, status, .. } if id.is_empty() => Some(status.clone()),
        ProgressMessage { id, status, .. } => Some(format!("{id}: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_lines() {
        let check = |json: &str, expected: Option<&str>| {
            let message = serde_json::from_str(json).unwrap();
            assert_eq!(text(&message).as_deref(), expected, "{json}");
        };
        check(r#"{"stream":"Loaded image: x\n"}"#, Some("Loaded image: x"));
        check(r#"{"status":"sha256:1"}"#, Some("sha256:1"));
        check(r#"{"status":"Pull complete","id":"ab"}"#, Some("ab: Pull complete"));
        check(r#"{"status":"Loading","id":"ab","progressDetail":{"current":1,"total":2}}"#, None);
        check(r#"{"aux":{"ID":"x"}}"#, None);
    }
}
