//! `login`: whether a registry takes a user's credentials.

use gantry_registry_client::Credentials;

use super::intake::intake;
use crate::Result;
use crate::engine::Engine;

/// The address that Docker's clients have used for Docker Hub since its first version.
const LEGACY_HUB: &str = "index.docker.io";

/// Checks credentials at the registry that `server` names (a host, or a URL as older clients send it). The answer is
/// the token to be used in place of the password, where the registry gives one.
pub async fn login(
    engine: &Engine,
    server: &str,
    credentials: Credentials,
) -> Result<Option<String>> {
    let domain = domain(server).to_owned();
    let client = engine.live.registries();
    intake(move || Ok(client.login(&domain, &credentials)?)).await
}

fn domain(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "" | LEGACY_HUB => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        for (server, expected) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://r.example/v2/", "r.example"),
        ] {
            assert_eq!(domain(server), expected, "{server}");
        }
    }
}
