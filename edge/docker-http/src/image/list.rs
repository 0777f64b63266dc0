//! `GET /images/json`.

use gantry_engine::Engine;
use gantry_engine::image::list;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let rows = list(&engine, call.query.filters()?).await?;
    compat::answer(call.version, compat::IMAGE_LIST, &rows)
}
