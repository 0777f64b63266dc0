//! Managed plugins: one file per use case, and how they are run. A plugin is a container that no list shows, whose root is a directory that
//! it keeps; the service of plugins finds it by its name while it runs.

mod create;
mod disable;
mod enable;
mod inspect;
mod list;
mod place;
mod privileges;
mod pull;
mod push;
mod remote;
mod remove;
mod restore;
mod run;
mod set;
mod spec;
mod supervise;
mod upgrade;
mod users;

pub use create::create;
pub use disable::disable;
pub use enable::{EnableOptions, enable};
pub use inspect::inspect;
pub use list::list;
pub(crate) use place::{full_name, log_folder, open_place, open_shown, told_path};
pub use privileges::privileges;
pub use pull::pull;
pub use push::push;
pub use remote::RemotePlugin;
pub use remove::remove;
pub(crate) use restore::{has_any, restore};
pub(crate) use run::Runs;
pub use set::set;
pub use upgrade::upgrade;

use gantry_plugins::managed::Record;
use gantry_types::{ContainerId, ImageReference};

use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::events::{Event, Kind};
use crate::{Result, random};

fn tell(engine: &Engine, action: &'static str, record: &Record) {
    let event = Event::new(Kind::Plugin, action, &*record.id);
    engine.events.tell(event.with("name", record.familiar()));
}

/// Writes down what a plugin is now.
async fn save(engine: &Engine, record: &Record) -> Result<()> {
    let (engine, record) = (engine.clone(), record.clone());
    Ok(block(move || engine.managed_plugins.save(&record)).await?)
}

/// A name with a tag and no digest.
fn parse_name(text: &str) -> Result<ImageReference> {
    let name: ImageReference = text.parse().map_err(|error| Error::invalid(format!("{error}")))?;
    if name.digest().is_some() {
        return Err(Error::invalid(format!("a plugin cannot be called by a digest: {text}")));
    }
    Ok(name)
}

fn new_id() -> Result<String> {
    Ok(ContainerId::from_bytes(random::bytes()?).to_string())
}
