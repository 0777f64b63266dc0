//! `GET /info`.

use gantry_engine::Engine;
use gantry_engine::system::info;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    compat::answer(call.version, compat::INFO, &info(&engine).await?)
}
