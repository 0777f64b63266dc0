//! The routes of managed plugins.

pub(crate) mod create;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod privileges;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod set;
pub(crate) mod upgrade;

use gantry_api::plugin::PluginPrivilege;
use gantry_engine::plugin::RemotePlugin;

use crate::call::Call;
use crate::error::Error;
use crate::registry_auth;

/// Where the plugin is that a request names by `remote`.
fn remote(call: &Call) -> Result<RemotePlugin, Error> {
    let text = call.query.text("remote");
    if text.is_empty() {
        return Err(Error::Invalid("the parameter remote is missing: which plugin?".to_owned()));
    }
    let reference = text.parse().map_err(|error| Error::Invalid(format!("{text}: {error}")))?;
    Ok(RemotePlugin { reference, credentials: registry_auth::from_headers(&call.headers)? })
}

/// What was granted; nothing where there is no body.
async fn granted(call: Call) -> Result<Vec<PluginPrivilege>, Error> {
    let granted: Option<Vec<PluginPrivilege>> = call.json().await?;
    Ok(granted.unwrap_or_default())
}
