//! `POST /auth`: credentials checked at their registry.

use gantry_api::system::{AuthConfig, AuthResponse};
use gantry_engine::Engine;
use gantry_engine::image::login;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::registry_auth::credentials;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let given: AuthConfig = call.json().await?;
    let server = given.serveraddress.clone();
    let token = login(&engine, &server, credentials(given)?.unwrap_or_default()).await?;
    let response = AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token: token.unwrap_or_default(),
    };
    reply::json(StatusCode::OK, &response)
}
