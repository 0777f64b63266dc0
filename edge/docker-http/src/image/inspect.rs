//! `GET /images/{name}/json`.

use gantry_engine::Engine;
use gantry_engine::image::{inspect, inspect_manifests};

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let platform = call.query.platform("platform")?;
    let document = match (call.query.flag("manifests"), platform) {
        (true, Some(_)) => {
            let text = "conflicting options: manifests and platform options cannot both be set";
            return Err(Error::Invalid(text.to_owned()));
        }
        (true, None) => inspect_manifests(&engine, &call.name).await?,
        (false, platform) => inspect(&engine, &call.name, platform.as_deref()).await?,
    };
    compat::answer(call.version, compat::IMAGE_INSPECT, &document)
}
