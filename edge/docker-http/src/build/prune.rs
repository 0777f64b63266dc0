//! `POST /build/prune`.

use gantry_api::build::BuildPruned;
use gantry_engine::Engine;
use gantry_engine::build::prune;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pruned = prune(&engine, call.query.flag("all")).await?;
    let report = BuildPruned { caches_deleted: pruned.steps, space_reclaimed: pruned.bytes };
    reply::json(StatusCode::OK, &report)
}
