//! The calls on the daemon itself.

use gantry_api::container::ContainerSummary;
use gantry_api::image::ImageSummary;
use gantry_api::system::{
    AuthConfig, AuthResponse, BuildCacheRecord, CheckReport, DiskUsage, Info, Usage, Version,
};
use gantry_api::volume::Volume;
use gantry_types::Filters;
use hyper::{HeaderMap, Method};

use serde_json::Value;

use crate::Result;
use crate::body::JsonLines;
use crate::client::{Call, Client};
use crate::query::Query;
use crate::version::ApiVersion;

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

    /// What happens, as it happens; a line may say why there are no more. `since` and `until` are seconds since 1970 with
    /// up to nine decimals.
    pub async fn events(
        &self,
        since: Option<&str>,
        until: Option<&str>,
        filters: &Filters,
    ) -> Result<JsonLines<Value>> {
        let query = Query::default().maybe("since", since).maybe("until", until).filters(filters);
        let call = Call::get(format!("/events{}", query.as_str()));
        Ok(self.stream(call).await?.json_lines())
    }

    /// What images and containers take of the disk.
    pub async fn df(&self) -> Result<DiskUsage> {
        #[derive(Default, serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Old {
            layers_size: i64,
            images: Option<Vec<ImageSummary>>,
            containers: Option<Vec<ContainerSummary>>,
            volumes: Option<Vec<Volume>>,
            build_cache: Option<Vec<BuildCacheRecord>>,
        }
        const NEW_SHAPE: ApiVersion = ApiVersion { major: 1, minor: 52 };
        if self.agreed().await? >= NEW_SHAPE {
            return self.json(Call::get("/system/df?verbose=1")).await;
        }
        let old: Old = self.json(Call::get("/system/df")).await?;
        Ok(DiskUsage {
            image_usage: old.images.map(|items| Usage::of_images(items, old.layers_size)),
            container_usage: old.containers.map(Usage::of_containers),
            volume_usage: old.volumes.map(Usage::of_volumes),
            build_cache_usage: old.build_cache.map(Usage::of_build_cache),
        })
    }

    /// What the daemon tells of itself and its host.
    pub async fn info(&self) -> Result<Info> {
        self.json(Call::get("/info")).await
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
