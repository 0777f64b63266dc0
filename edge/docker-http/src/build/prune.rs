//! `POST /build/prune`.

use gantry_api::build::BuildPruned;
use gantry_engine::Engine;
use gantry_engine::build::{PruneOptions, prune};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pruned = prune(&engine, options(&call.query)?).await?;
    let report = BuildPruned { caches_deleted: pruned.steps, space_reclaimed: pruned.bytes };
    reply::json(StatusCode::OK, &report)
}

fn options(query: &Query) -> Result<PruneOptions, Error> {
    let bytes = |name: &'static str| match query.get(name).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| Error::Parameter {
            name,
            value: text.to_owned(),
            wanted: "a number of bytes is needed",
        }),
    };
    Ok(PruneOptions {
        all: query.flag("all"),
        filters: query.filters()?,
        // Older clients call it so.
        reserved_bytes: bytes("reserved-space")?.max(bytes("keep-storage")?),
        max_used_bytes: bytes("max-used-space")?,
        min_free_bytes: bytes("min-free-space")?,
    })
}
