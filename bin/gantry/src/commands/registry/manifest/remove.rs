//! `manifest rm`: lists that are not made any further.

use super::reference;
use super::store::Store;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Delete one or more manifest lists from local storage
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    #[arg(required = true, hide = true)]
    lists: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "MANIFEST_LIST [MANIFEST_LIST...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let store = Store::of(session)?;
        let mut failed = false;
        for name in &self.lists {
            let removed = reference(name).and_then(|list| {
                let was_there = store.remove(&list)?;
                let missing = || Error::refused(format!("No such manifest: {list}"));
                was_there.then_some(()).ok_or_else(missing)
            });
            if let Err(error) = removed {
                failed = true;
                output::remark(&error.report());
            }
        }
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
