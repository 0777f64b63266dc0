//! `GET /events`: the 200 goes out at once, then one document for each event.

use bytes::Bytes;
use gantry_api::system::EventMessage;
use gantry_engine::Engine;
use gantry_engine::system::{Ended, EventStream, EventsOptions, events};
use gantry_types::Timestamp;
use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderValue};
use serde_json::json;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply, ReplyBody};
use crate::version::ApiVersion;

/// Lines between the engine and the connection.
const LINES_IN_FLIGHT: usize = 32;

/// What separates documents of `application/json-seq`, RFC 7464.
const RECORD_SEPARATOR: u8 = 0x1e;

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    let options = EventsOptions {
        since: moment(&call.query, "since")?,
        until: moment(&call.query, "until")?,
        filters: call.query.filters()?,
    };
    let stream = events(engine, options)?;
    let accepts = call.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let content_type = compat::events_type(call.version, accepts.unwrap_or_default());
    let (sender, pieces) = mpsc::channel(LINES_IN_FLIGHT);
    tokio::spawn(send(stream, sender, call.version, content_type.ends_with("json-seq")));
    let content_type = HeaderValue::from_static(content_type);
    let reply = reply::typed(StatusCode::OK, content_type, ReplyBody::Pieces(pieces));
    Ok(reply::looking_on(reply))
}

/// Sends until there is no more, or nobody takes it.
async fn send(
    mut stream: EventStream,
    sender: mpsc::Sender<Bytes>,
    version: ApiVersion,
    sequence: bool,
) {
    loop {
        let next = tokio::select! {
            next = stream.next() => next,
            () = sender.closed() => return,
        };
        let (line, over) = match next {
            Ok(event) => (line(version, &event), false),
            Err(Ended::InOrder) => return,
            Err(Ended::TooSlow(missed)) => {
                let text = format!(
                    "events come faster than this client reads them: it has missed {missed}"
                );
                let line = json!({"errorDetail": {"message": text}, "error": text});
                (reply::json_line(&line), true)
            }
        };
        let Ok(line) = line else { return };
        let line = if sequence { [&[RECORD_SEPARATOR], &line[..]].concat().into() } else { line };
        if sender.send(line).await.is_err() || over {
            return;
        }
    }
}

fn line(version: ApiVersion, event: &EventMessage) -> Result<Bytes, Error> {
    let mut value = serde_json::to_value(event).map_err(|source| Error::Answer { source })?;
    compat::event(version, &mut value);
    reply::json_line(&value)
}

/// Seconds since 1970 with a fraction or without, or RFC 3339; zero is none.
fn moment(query: &Query, name: &'static str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = query.get(name).filter(|text| *text != "0") else { return Ok(None) };
    let wanted = "it takes seconds since 1970, with a fraction or without, or RFC 3339";
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| Error::Parameter { name, value: text.to_owned(), wanted })
}
