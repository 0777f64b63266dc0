//! `GET /networks/{name}`.

use gantry_engine::Engine;
use gantry_engine::network::{InspectOptions, inspect};

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options =
        InspectOptions { verbose: call.query.flag("verbose"), scope: call.query.text("scope") };
    let network = inspect(&engine, &call.name, options).await?;
    compat::answer(call.version, compat::NETWORK_INSPECT, &network)
}
