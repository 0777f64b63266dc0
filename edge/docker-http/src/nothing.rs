//! Kinds of objects of which there are none yet: what is answered where nothing is to be done for them.

use hyper::StatusCode;

use crate::reply::{self, Reply, ReplyBody};

/// A report that says that nothing was there to remove.
pub(crate) fn pruned(report: &'static str) -> Reply {
    let body = ReplyBody::Whole(Some(bytes::Bytes::from_static(report.as_bytes())));
    reply::typed(StatusCode::OK, reply::JSON, body)
}
