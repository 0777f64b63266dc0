//! `GET /version`.

use gantry_engine::system::version;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) fn handle(call: &Call) -> Result<Reply, Error> {
    let versions = call.server.config.versions;
    let [oldest, newest] = [versions.oldest(), versions.newest()].map(|one| one.to_string());
    reply::json(StatusCode::OK, &version(&oldest, &newest))
}
