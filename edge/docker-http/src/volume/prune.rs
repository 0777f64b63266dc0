//! `POST /volumes/prune`.

use gantry_engine::Engine;
use gantry_engine::volume::prune;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::version::ApiVersion;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let mut filters = call.query.filters()?;
    // Volumes with a name stay since 1.42, unless all are meant.
    if call.version < ApiVersion::one(42) && filters.get("all").is_none() {
        filters.insert("all", "true");
    }
    reply::json(StatusCode::OK, &prune(&engine, filters).await?)
}
