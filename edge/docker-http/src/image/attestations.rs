//! `GET /images/{name}/attestations`.

use gantry_engine::Engine;
use gantry_engine::image::{AttestationOptions, attestations};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let mut platforms = call.query.platforms("platform")?;
    if platforms.len() > 1 {
        let text = "attestations are told for one platform at a time: give one 'platform'";
        return Err(Error::Invalid(text.to_owned()));
    }
    let options = AttestationOptions {
        platform: platforms.pop(),
        types: call.query.all("type"),
        statements: call.query.flag("statement"),
    };
    reply::json(StatusCode::OK, &attestations(&engine, &call.name, options).await?)
}
