//! `GET /images/{name}/json`.

use gantry_engine::Engine;
use gantry_engine::image::inspect;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let platform = call.query.platform("platform")?;
    let document = inspect(&engine, &call.name, platform.as_deref()).await?;
    compat::answer(call.version, compat::IMAGE_INSPECT, &document)
}
