//! Shims that wait for commands of a build. One after the other is in the same shim: none but the first waits until it is launched, none
//! until it has ended.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_shims::{LaunchOptions, Shim};
use gantry_types::ContainerId;

use crate::container::leftovers;
use crate::engine::{Engine, names_in};
use crate::error::Error;
use crate::rollback::Rollback;
use crate::{Result, random};

/// The folder of their bundles, below the exec root.
const FOLDER: &str = "build-sandboxes";

/// Those of one build that have no command now. Stages that are built side by side have one each.
#[derive(Default)]
pub(super) struct Sandboxes {
    idle: Mutex<Vec<Sandbox>>,
}

/// A shim of which commands are guests. It goes when this is dropped.
pub(super) struct Sandbox {
    pub(super) shim: Arc<Shim>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shim.dismiss();
        leftovers::remove_bundle(self.shim.bundle());
    }
}

impl Sandboxes {
    /// One that is warm, or a new one.
    pub(super) fn take(&self, engine: &Engine) -> Result<Sandbox> {
        loop {
            let Some(warm) = self.idle().pop() else { return Sandbox::launch(engine) };
            // One that was killed meanwhile is no loss.
            if !warm.shim.is_gone() {
                return Ok(warm);
            }
        }
    }

    /// For the next command.
    pub(super) fn give_back(&self, sandbox: Sandbox) {
        self.idle().push(sandbox);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sandbox>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox {
    fn launch(engine: &Engine) -> Result<Self> {
        let id = ContainerId::from_bytes(random::bytes()?).to_string();
        let bundle = folder(engine).join(&id);
        let mut undo = Rollback::new();
        let made = DirBuilder::new().mode(0o700).create(&bundle);
        made.map_err(Error::file("create directory", &bundle))?;
        let left = bundle.clone();
        undo.on_failure(move || leftovers::remove_bundle(&left));
        let binary = engine.settings.shim.clone();
        let shim = engine.shims.launch(&LaunchOptions { binary, bundle, id })?;
        undo.keep();
        Ok(Self { shim: Arc::new(shim) })
    }
}

/// After a start, when what ran in them is gone: those of builds that died go.
pub(super) fn reconcile(engine: &Engine) -> Result<()> {
    let folder = folder(engine);
    for id in names_in(&folder) {
        let bundle = folder.join(&id);
        if let Some(shim) = leftovers::find_shim(&engine.shims, &bundle, &id) {
            shim.dismiss();
        }
        leftovers::remove_bundle(&bundle);
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(Error::file("create directory", folder))
}

fn folder(engine: &Engine) -> PathBuf {
    engine.settings.exec_root.join(FOLDER)
}
