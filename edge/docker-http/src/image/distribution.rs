//! `GET /distribution/{name}/json`, and `POST /gantry/distribution/{name}/push`, which is Gantry's own.

use gantry_api::image::DistributionPushRequest;
use gantry_engine::Engine;
use gantry_engine::image::{DistributionRequest, ListPushRequest, distribution, push_list};
use gantry_types::{ImageReference, InvalidReference};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::registry_auth;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let request = DistributionRequest {
        reference: reference(&call.name)?,
        documents: call.query.flag("documents"),
        credentials: registry_auth::from_headers(&call.headers)?,
        is_insecure: call.query.flag("insecure"),
    };
    reply::json(StatusCode::OK, &distribution(&engine, request).await?)
}

pub(crate) async fn handle_push(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = reference(&call.name)?;
    let credentials = registry_auth::from_headers(&call.headers)?;
    let is_insecure = call.query.flag("insecure");
    let DistributionPushRequest { raw: text, sources } = call.json().await?;
    let sources = sources.iter().map(|source| reference(source)).collect::<Result<_, _>>()?;
    let request = ListPushRequest { reference: name, text, sources, credentials, is_insecure };
    reply::json(StatusCode::OK, &push_list(&engine, request).await?)
}

fn reference(text: &str) -> Result<ImageReference, Error> {
    text.parse().map_err(|error: InvalidReference| Error::Invalid(error.to_string()))
}
