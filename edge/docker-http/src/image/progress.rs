//! Progress lines on their way to a client, and what becomes of a failure before and after the first of them.

use bytes::Bytes;
use gantry_api::image::ProgressMessage;
use hyper::StatusCode;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

/// Lines between the work and the connection.
pub(super) const LINES_IN_FLIGHT: usize = 32;

/// Answers with the lines that `work` sends. A failure before the first line has a status of its own; a later one is
/// the last line.
pub(super) async fn reply(
    mut messages: mpsc::Receiver<ProgressMessage>,
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
        // When the client is gone, the work goes on and nobody is told how far it is.
        while let Some(message) = messages.recv().await {
            send(&sender, &message).await;
        }
        if let Err(error) = finish(work).await {
            send(&sender, &ProgressMessage::error(gantry_types::error_chain(&error))).await;
        }
    });
    Ok(reply::typed(StatusCode::OK, reply::JSON, ReplyBody::Pieces(pieces)))
}

async fn finish(work: JoinHandle<gantry_engine::Result<()>>) -> Result<(), Error> {
    Ok(work.await.map_err(|_| Error::Panicked)??)
}

async fn send(sender: &mpsc::Sender<Bytes>, message: &ProgressMessage) {
    if let Ok(line) = reply::json_line(message) {
        drop(sender.send(line).await);
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
        let reply = reply(messages, work).await.unwrap();
        assert_eq!(
            text(reply).await,
            "{\"stream\":\"half\\n\"}\n{\"errorDetail\":{\"message\":\"the daemon is shutting down\"},\
             \"error\":\"the daemon is shutting down\"}\n"
        );
    }

    #[tokio::test]
    async fn a_failure_before_any_line_is_an_error() {
        let (sender, messages) = mpsc::channel(1);
        let work = async move {
            drop(sender);
            Err(gantry_engine::Error::ShuttingDown)
        };
        assert!(matches!(reply(messages, work).await, Err(Error::Engine(_))));
    }
}
