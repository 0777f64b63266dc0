//! What plugins want to be allowed, and asking for it.

use gantry_api::plugin::PluginPrivilege;
use gantry_types::{ImageReference, InvalidReference};

use crate::commands::confirm::ask;
use crate::error::Error;
use crate::output;

/// Shows what a plugin wants; whether the user grants it. One that wants nothing is not asked about.
pub(super) fn grant(name: &str, wanted: &[PluginPrivilege], all: bool) -> Result<bool, Error> {
    if all || wanted.is_empty() {
        return Ok(true);
    }
    output::line(&format!("Plugin {name:?} is requesting the following privileges:"))?;
    for privilege in wanted {
        output::line(&format!(" - {}: [{}]", privilege.name, privilege.value.join(" ")))?;
    }
    ask("Do you grant the above permissions?")
}

/// A plugin's name, with its tag.
pub(super) fn reference(text: &str) -> Result<ImageReference, Error> {
    text.parse().map_err(|error: InvalidReference| Error::refused(error.to_string()))
}
