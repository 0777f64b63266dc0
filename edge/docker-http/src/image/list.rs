//! `GET /images/json`.

use gantry_engine::Engine;
use gantry_engine::image::{ListOptions, list};

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options =
        ListOptions { shared_size: call.query.flag("shared-size"), filters: call.query.filters()? };
    let rows = list(&engine, options).await?;
    compat::answer(call.version, compat::IMAGE_LIST, &rows[..])
}
