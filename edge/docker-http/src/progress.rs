//! Progress lines on their way to a client, and what becomes of a failure before and after the first of them.

use bytes::Bytes;
use gantry_api::image::ProgressMessage;
use hyper::StatusCode;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

/// Lines between the work and the connection.
pub(crate) const LINES_IN_FLIGHT: usize = 32;

/// What becomes of the work when the client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenGone {
    /// It goes on: the client has sent all that it needs.
    GoOn,
    /// It ends: an interrupt at the terminal means that.
    Stop,
}

/// Answers with the lines that `work` sends. A failure before the first line has a status of its own; a later one is
/// the last line.
pub(crate) async fn reply(
    mut messages: mpsc::Receiver<ProgressMessage>,
    when_gone: WhenGone,
    work: impl Future<Output = gantry_engine::Result<()>> + Send + 'static,
) -> Result<Reply, Error> {
    let work = tokio::spawn(work);
    let Some(first) = messages.recv().await else {
        finish(work).await?;
        return Ok(reply::typed(StatusCode::OK, reply::JSON, ReplyBody::Empty));
    };
    let (sender, pieces) = mpsc::channel(LINES_IN_FLIGHT);
    tokio::spawn(async move {
        send(&sender, &first).await;
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                // The work sees that nobody listens, and ends. It may have nothing to say for hours.
                () = sender.closed(), if when_gone == WhenGone::Stop => None,
            };
            let Some(message) = message else { break };
            // Who goes on, goes on alone.
            send(&sender, &message).await;
        }
        drop(messages);
        if let Err(error) = finish(work).await {
            let code = error.exit_code().unwrap_or_default();
            let text = gantry_types::error_chain(&error);
            send(&sender, &ProgressMessage::failed_with(code, text)).await;
        }
    });
    Ok(reply::typed(StatusCode::OK, reply::JSON, ReplyBody::Pieces(pieces)))
}

async fn finish(work: JoinHandle<gantry_engine::Result<()>>) -> Result<(), Error> {
    Ok(work.await.map_err(|_| Error::Panicked)??)
}

/// Whether somebody took it.
async fn send(sender: &mpsc::Sender<Bytes>, message: &ProgressMessage) -> bool {
    match reply::json_line(message) {
        Ok(line) => sender.send(line).await.is_ok(),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(reply: Reply) -> String {
        let bytes = reply.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_failure_after_the_first_line_is_a_line() {
        let (sender, messages) = mpsc::channel(1);
        let work = async move {
            sender.send(ProgressMessage::stream("half\n")).await.unwrap();
            Err(gantry_engine::Error::ShuttingDown)
        };
        let reply = reply(messages, WhenGone::GoOn, work).await.unwrap();
        assert_eq!(
            text(reply).await,
            "{\"stream\":\"half\\n\"}\n{\"errorDetail\":{\"message\":\"the daemon is shutting down\"},\
             \"error\":\"the daemon is shutting down\"}\n"
        );
    }

    #[tokio::test]
    async fn work_that_says_nothing_hears_that_the_client_has_gone() {
        let (sender, messages) = mpsc::channel(1);
        let (told, heard) = tokio::sync::oneshot::channel();
        let work = async move {
            sender.send(ProgressMessage::stream("first\n")).await.unwrap();
            sender.closed().await;
            told.send(()).unwrap();
            Ok(())
        };
        drop(reply(messages, WhenGone::Stop, work).await.unwrap());
        let deadline = std::time::Duration::from_secs(10);
        tokio::time::timeout(deadline, heard).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_failure_before_any_line_is_an_error() {
        let (sender, messages) = mpsc::channel(1);
        let work = async move {
            drop(sender);
            Err(gantry_engine::Error::ShuttingDown)
        };
        assert!(matches!(reply(messages, WhenGone::GoOn, work).await, Err(Error::Engine(_))));
    }
}
