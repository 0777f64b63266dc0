//! `GET /containers/json`.

use gantry_engine::Engine;
use gantry_engine::container::{ListOptions, list};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::Reply;
use crate::{compat, reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let query = &call.query;
    let mut filters = query.filters()?;
    // Older spellings of two filters.
    for name in ["since", "before"] {
        if let Some(value) = query.get(name) {
            filters.insert(name, value);
        }
    }
    // Zero and negative numbers mean no limit.
    let limit = query.number::<i64>("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let options = ListOptions {
        all: query.flag("all"),
        limit: limit.filter(|limit| *limit > 0),
        size: query.flag("size"),
        filters,
    };
    let (version, answered) = (call.version, &call.server.containers);
    let is_plain = !options.size && options.limit.is_none() && options.filters.is_empty();
    let rows = list(&engine, options).await?;
    if let Some(known) = answered.get(&rows, version) {
        return Ok(reply::json_bytes(StatusCode::OK, known));
    }
    let bytes = compat::document(version, compat::CONTAINER_LIST, &rows[..])?;
    if is_plain {
        answered.put(rows, version, bytes.clone());
    }
    Ok(reply::json_bytes(StatusCode::OK, bytes))
}
