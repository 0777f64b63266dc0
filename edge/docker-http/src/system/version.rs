//! `GET /version`.

use gantry_engine::system::version;
use hyper::StatusCode;

use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) fn handle() -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &version())
}
