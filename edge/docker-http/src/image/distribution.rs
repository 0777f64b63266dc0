//! `GET /distribution/{name}/json`.

use gantry_engine::Engine;
use gantry_engine::image::{DistributionRequest, distribution};
use gantry_types::{ImageReference, InvalidReference};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::registry_auth;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let invalid = |error: InvalidReference| Error::Invalid(error.to_string());
    let reference: ImageReference = call.name.parse().map_err(invalid)?;
    let documents = call.query.flag("documents");
    let credentials = registry_auth::from_headers(&call.headers)?;
    let request = DistributionRequest { reference, documents, credentials };
    reply::json(StatusCode::OK, &distribution(&engine, request).await?)
}
