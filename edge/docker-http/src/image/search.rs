//! `GET /images/search`.

use gantry_engine::Engine;
use gantry_engine::image::{SearchRequest, search};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::registry_auth;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let request = SearchRequest {
        term: call.query.text("term"),
        limit: call.query.number("limit")?,
        filters: call.query.filters()?,
        credentials: registry_auth::from_headers(&call.headers)?,
    };
    reply::json(StatusCode::OK, &search(&engine, request).await?)
}
