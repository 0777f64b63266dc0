//! The calls on managed plugins.

use gantry_api::plugin::{Plugin, PluginPrivilege};
use gantry_api::system::AuthConfig;
use gantry_types::Filters;

use crate::Result;
use crate::client::{Call, Client};
use crate::image::Progress;
use crate::query::{Query, image_path};
use crate::upload::Upload;

impl Client {
    /// Makes a plugin of an archive with `config.json` and `rootfs/`.
    pub async fn plugin_create(&self, name: &str, archive: Upload) -> Result<()> {
        let query = Query::default().text("name", name);
        self.whole(Call::post(format!("/plugins/create{}", query.as_str())).archive(archive))
            .await
            .map(drop)
    }

    /// Plugins.
    pub async fn plugin_list(&self, filters: &Filters) -> Result<Vec<Plugin>> {
        let query = Query::default().filters(filters);
        self.json(Call::get(format!("/plugins{}", query.as_str()))).await
    }

    /// Everything about a plugin, as the daemon wrote it.
    pub async fn plugin_inspect_raw(&self, name: &str) -> Result<String> {
        self.text(Call::get(format!("/plugins/{}/json", image_path(name)?))).await
    }

    /// Everything about a plugin.
    pub async fn plugin_inspect(&self, name: &str) -> Result<Plugin> {
        self.json(Call::get(format!("/plugins/{}/json", image_path(name)?))).await
    }

    /// What a plugin in a registry wants to be allowed.
    pub async fn plugin_privileges(
        &self,
        remote: &str,
        credentials: Option<&AuthConfig>,
    ) -> Result<Vec<PluginPrivilege>> {
        let query = Query::default().text("remote", remote);
        let call = Call::get(format!("/plugins/privileges{}", query.as_str()));
        self.json(call.registry_auth(credentials)?).await
    }

    /// Fetches a plugin under `name`, which wants just what is granted.
    pub async fn plugin_pull(
        &self,
        (remote, name): (&str, &str),
        granted: &[PluginPrivilege],
        credentials: Option<&AuthConfig>,
    ) -> Result<Progress> {
        let query = Query::default().text("remote", remote).text("name", name);
        let call = Call::post(format!("/plugins/pull{}", query.as_str())).json(&granted)?;
        Ok(Progress::of(self.stream(call.registry_auth(credentials)?).await?))
    }

    /// Fetches other content into a plugin's place.
    pub async fn plugin_upgrade(
        &self,
        (name, remote): (&str, &str),
        granted: &[PluginPrivilege],
        credentials: Option<&AuthConfig>,
    ) -> Result<Progress> {
        let query = Query::default().text("remote", remote);
        let path = format!("/plugins/{}/upgrade{}", image_path(name)?, query.as_str());
        let call = Call::post(path).json(&granted)?;
        Ok(Progress::of(self.stream(call.registry_auth(credentials)?).await?))
    }

    /// Sends a plugin where its name leads.
    pub async fn plugin_push(
        &self,
        name: &str,
        credentials: Option<&AuthConfig>,
    ) -> Result<Progress> {
        let call = Call::post(format!("/plugins/{}/push", image_path(name)?));
        Ok(Progress::of(self.stream(call.registry_auth(credentials)?).await?))
    }

    /// Runs a plugin; it may take `timeout_s` seconds until it listens.
    pub async fn plugin_enable(&self, name: &str, timeout_s: u64) -> Result<()> {
        let query = Query::default().maybe("timeout", Some(timeout_s));
        let path = format!("/plugins/{}/enable{}", image_path(name)?, query.as_str());
        self.whole(Call::post(path)).await.map(drop)
    }

    /// Ends a plugin; by force also one that is in use.
    pub async fn plugin_disable(&self, name: &str, force: bool) -> Result<()> {
        let query = Query::default().flag("force", force);
        let path = format!("/plugins/{}/disable{}", image_path(name)?, query.as_str());
        self.whole(Call::post(path)).await.map(drop)
    }

    /// Sets values of a plugin that is not enabled.
    pub async fn plugin_set(&self, name: &str, words: &[String]) -> Result<()> {
        let call = Call::post(format!("/plugins/{}/set", image_path(name)?)).json(&words)?;
        self.whole(call).await.map(drop)
    }

    /// Removes a plugin; by force also one that is enabled.
    pub async fn plugin_remove(&self, name: &str, force: bool) -> Result<()> {
        let query = Query::default().flag("force", force);
        let path = format!("/plugins/{}{}", image_path(name)?, query.as_str());
        self.whole(Call::delete(path)).await.map(drop)
    }
}
