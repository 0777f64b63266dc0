//! The calls on the daemon itself.

use gantry_api::system::{AuthConfig, AuthResponse, CheckReport, DiskUsage, Info, Version};
use hyper::{HeaderMap, Method};

use crate::Result;
use crate::client::{Call, Client};

/// What a daemon says of itself before anything is agreed upon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ping {
    /// The newest API version it speaks; empty when it does not say.
    pub api_version: String,
    /// `linux`.
    pub os_type: String,
    /// Its product and version.
    pub server: String,
}

impl Client {
    /// Asks whether the daemon is there and which versions it speaks.
    pub async fn ping(&self) -> Result<Ping> {
        let headers = self.headers(Call::new(Method::HEAD, "/_ping")).await?;
        Ok(Ping {
            api_version: header(&headers, "api-version"),
            os_type: header(&headers, "ostype"),
            server: header(&headers, "server"),
        })
    }

    /// The daemon's version and those of its parts.
    pub async fn version_info(&self) -> Result<Version> {
        self.json(Call::get("/version")).await
    }

    /// Has the daemon check credentials at the registry that they name.
    pub async fn login(&self, credentials: &AuthConfig) -> Result<AuthResponse> {
        self.json(Call::post("/auth").json(credentials)?).await
    }

    /// Has the daemon examine its stores; with `deep`, every byte of its blobs, which takes as long as the disk needs.
    pub async fn check(&self, deep: bool) -> Result<CheckReport> {
        let query = if deep { "?deep=1" } else { "" };
        self.json(Call::get(format!("/gantry/system/check{query}"))).await
    }

    /// What images and containers take of the disk.
    pub async fn df(&self) -> Result<DiskUsage> {
        self.json(Call::get("/system/df")).await
    }

    /// What the daemon tells of itself and its host.
    pub async fn info(&self) -> Result<Info> {
        self.json(Call::get("/info")).await
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
