//! `GET /images/get` and `GET /images/{name}/get`.

use gantry_engine::Engine;
use gantry_engine::image::save;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let platforms = call.query.platforms("platform")?;
    let names = if call.name.is_empty() {
        // Some clients send one parameter with commas.
        let given = call.query.all("names");
        given.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect()
    } else {
        vec![call.name]
    };
    let pieces = save(&engine, names, platforms).await?;
    Ok(reply::typed(StatusCode::OK, reply::TAR, ReplyBody::Archive(pieces)))
}
