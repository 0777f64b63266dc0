//! `authorize`: authorization plugins are asked before a request is served, and before its answer goes out. One that
//! says no, does not answer, or is not there, refuses the request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blocking::block;
use crate::engine::Engine;
use crate::{Error, Result};

/// What these plugins are asked under.
pub(crate) const KIND: &str = "AuthZPlugin";

/// What a plugin is told, in the names of Docker's authorization API. Bodies are base64, as Go writes bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuthorizationRequest {
    /// The common name of the client's certificate; empty without one.
    #[serde(rename = "User", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `TLS` where there is a user.
    #[serde(rename = "UserAuthNMethod", skip_serializing_if = "String::is_empty")]
    pub user_method: String,
    #[serde(rename = "RequestMethod")]
    pub method: String,
    /// With version and query, as the client sent it.
    #[serde(rename = "RequestUri")]
    pub uri: String,
    /// The JSON that came with the request.
    #[serde(rename = "RequestBody", skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Without those that hold credentials.
    #[serde(rename = "RequestHeaders", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// PEM in base64, the client's own first.
    #[serde(rename = "RequestPeerCertificates", skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// There once the request has been served.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AuthorizationAnswer>,
}

/// What the client is about to get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuthorizationAnswer {
    #[serde(rename = "ResponseStatusCode")]
    pub status: u16,
    /// The JSON of an answer that is there as a whole; streams are judged by their heads.
    #[serde(rename = "ResponseBody", skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(rename = "ResponseHeaders", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// What a plugin answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Verdict {
    allow: bool,
    msg: String,
}

/// Asks `plugins` one after another; all must agree.
///
/// # Errors
/// [`Error::NotAuthorized`] when one says no, [`Error::AuthorizationFailed`] when one says nothing that makes sense.
pub async fn authorize(
    engine: &Engine,
    plugins: Vec<String>,
    request: AuthorizationRequest,
) -> Result<()> {
    let known = engine.plugins.clone();
    block(move || {
        let method = if request.answer.is_some() { "AuthZRes" } else { "AuthZReq" };
        plugins.into_iter().try_for_each(|plugin| {
            match known.call::<Verdict>(&plugin, KIND, method, &request) {
                Ok(Verdict { allow: true, .. }) => Ok(()),
                Ok(Verdict { msg, .. }) => Err(Error::NotAuthorized { plugin, reason: msg }),
                Err(source) => Err(Error::AuthorizationFailed { plugin, source }),
            }
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plugins_read_docker_s_names() {
        let mut request = AuthorizationRequest {
            method: "GET".to_owned(),
            uri: "/v1.43/info".to_owned(),
            ..AuthorizationRequest::default()
        };
        let before = json!({"RequestMethod": "GET", "RequestUri": "/v1.43/info"});
        assert_eq!(serde_json::to_value(&request).unwrap(), before);
        request.user = "alice".to_owned();
        request.answer =
            Some(AuthorizationAnswer { status: 200, ..AuthorizationAnswer::default() });
        let after = json!({"User": "alice", "RequestMethod": "GET", "RequestUri": "/v1.43/info",
            "ResponseStatusCode": 200});
        assert_eq!(serde_json::to_value(&request).unwrap(), after);
    }
}
