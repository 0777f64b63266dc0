//! `HEAD` and `GET /_ping`: the headers by which clients choose a version and a builder.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, PRAGMA};

use crate::call::Call;
use crate::reply::{self, Reply, ReplyBody};

const BUILDER_VERSION: HeaderName = HeaderName::from_static("builder-version");
const SWARM: HeaderName = HeaderName::from_static("swarm");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(crate) fn handle(call: &Call) -> Reply {
    let body = if call.is_head { ReplyBody::Empty } else { ReplyBody::Whole(Some("OK".into())) };
    let mut reply = reply::typed(StatusCode::OK, TEXT, body);
    let headers = reply.headers_mut();
    if call.is_head {
        // Said on purpose: left to itself, the HTTP side says nothing of a body that nobody asked for.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    // Version 1 makes clients send builds to `/build`; version 2 would be BuildKit.
    headers.insert(BUILDER_VERSION, HeaderValue::from_static("1"));
    headers.insert(SWARM, HeaderValue::from_static("inactive"));
    reply
}
