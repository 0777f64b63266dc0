//! SELinux: the labels that containers' processes and files get. Here is what touches the host and what is remembered; which label is for
//! whom is decided in `labels` and `levels`, without either. The runtime applies them; files of the host are labelled by `relabel`.

mod context;
mod contexts;
mod labels;
mod levels;
mod relabel;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gantry_oci::runtime::Process;
use gantry_sys::selinux as kernel;

use self::contexts::Contexts;
pub(crate) use self::labels::{Labels, of_process};
use self::levels::Levels;
use self::relabel::relabel_as;
pub(crate) use self::relabel::{relabel, relabel_if_alone, relabel_if_foreign, relabel_once};
use crate::error::Error;
use crate::rollback::Rollback;
use crate::{Result, engine::Engine, plan::ContainerPlan, random};

/// The contexts of containers, where all of a host's programs for containers find them.
const SHARED: &str = "/usr/share/containers/selinux/contexts";
/// Which policy the host has.
const CONFIG: &str = "/etc/selinux/config";
const POLICIES: &str = "/etc/selinux";
/// The contexts of containers, in a policy's folder.
const OF_POLICY: &str = "contexts/lxc_contexts";

/// Labels new containers, where that is wanted and the kernel knows what to do with labels.
pub(crate) struct Selinux(Option<Labelling>);

struct Labelling {
    contexts: Contexts,
    /// Those that containers have.
    levels: Mutex<Levels>,
}

impl Selinux {
    /// What is `wanted` is not to be had on a kernel without SELinux, and containers go without, as in Docker.
    ///
    /// # Errors
    /// The policy has no contexts for containers: nothing would confine them.
    pub(crate) fn open(wanted: bool) -> Result<Self> {
        if !wanted {
            return Ok(Self(None));
        }
        if !kernel::is_in_force() {
            tracing::warn!("SELinux is not enabled on this host: containers get no labels");
            return Ok(Self(None));
        }
        let (place, text) = contexts_of_host()?;
        let contexts = Contexts::parse(&text).map_err(|why| unusable(&place, &why))?;
        let levels = Mutex::new(Levels::new(&contexts.private()));
        Ok(Self(Some(Labelling { contexts, levels })))
    }

    /// Whether new containers get labels.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps the level of a container that is there, from others.
    pub(crate) fn keep(&self, labels: &Labels) {
        self.with_levels(|levels| labels.level().iter().for_each(|level| levels.take(level)));
    }

    /// Gives back what a container that is gone has had.
    pub(crate) fn give_back(&self, labels: &Labels) {
        self.with_levels(|levels| labels.level().iter().for_each(|level| levels.give_back(level)));
    }

    /// The label of images' files on the disk. Whoever maps a file of an overlay is asked for his rights to the one below it, too.
    pub(crate) fn layer_label(&self) -> Option<String> {
        self.0.as_ref().map(|labelling| labelling.contexts.image.to_string())
    }

    /// Labels what is in the folder of all layers, once: what is made there later has its label from the folder.
    pub(crate) fn label_layers(&self, folder: &Path) -> Result<()> {
        self.layer_label().map_or(Ok(()), |label| relabel_once(folder, &label))
    }

    /// Labels what a command of a build has written and what is to be a layer.
    pub(crate) fn label_layer(&self, folder: &Path) -> Result<()> {
        self.layer_label().map_or(Ok(()), |label| relabel_as(folder, &label))
    }

    fn with_levels(&self, change: impl FnOnce(&mut Levels)) {
        if let Some(Labelling { levels, .. }) = &self.0 {
            change(&mut levels.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Chooses the labels of a container and keeps their level.
    fn take(&self, options: &[&str], privileged: bool) -> Result<Labels> {
        let Some(Labelling { contexts, levels }) = &self.0 else { return Ok(Labels::default()) };
        let [a, b, c, d, ..] = random::bytes()?;
        let random = u32::from_le_bytes([a, b, c, d]);
        let mut levels = levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut labels =
            labels::choose(contexts, options, |sensitivity| levels.free(sensitivity, random))?;
        if privileged {
            labels.process.clear();
        }
        for label in [&labels.process, &labels.mount] {
            if !label.is_empty() && matches!(kernel::canonical(label), Ok(None)) {
                return Err(Error::invalid(format!(
                    "the policy of SELinux on this host does not know the label {label:?}: use other --security-opt label=..."
                )));
            }
        }
        labels.level().iter().for_each(|level| levels.take(level));
        Ok(labels)
    }
}

/// Labels a container that is being made. Its level goes back if it is not.
pub(crate) fn label(
    engine: &Engine,
    plan: &mut ContainerPlan,
    rollback: &mut Rollback,
) -> Result<()> {
    let options = crate::plan::label_options(&plan.host_config);
    let labels = engine.selinux.take(&options, plan.host_config.privileged)?;
    plan.security.selinux.clone_from(&labels);
    let undo = engine.clone();
    rollback.on_failure(move || undo.selinux.give_back(&labels));
    Ok(())
}

/// Before a process is made: the kernel may be another than when its container was, and know no labels.
pub(crate) fn provide(process: &mut Process) {
    if !process.selinux_label.is_empty() && !kernel::is_in_force() {
        process.selinux_label.clear();
    }
}

/// The label of a container's files, where the kernel knows labels.
pub(crate) fn mount_label(plan: &ContainerPlan) -> Option<&str> {
    Some(&*plan.security.selinux.mount).filter(|label| !label.is_empty() && kernel::is_in_force())
}

/// What the host says of contexts, and where.
fn contexts_of_host() -> Result<(PathBuf, String)> {
    if let Ok(text) = fs::read_to_string(SHARED) {
        return Ok((SHARED.into(), text));
    }
    let config = fs::read_to_string(CONFIG).map_err(Error::file("read", CONFIG))?;
    let policy = contexts::policy(&config)
        .ok_or_else(|| unusable(Path::new(CONFIG), "it names no policy by SELINUXTYPE"))?;
    let path = Path::new(POLICIES).join(policy).join(OF_POLICY);
    let text = fs::read_to_string(&path).map_err(|error| {
        unusable(&path, &format!("{error}: install container-selinux, or a policy that has them"))
    })?;
    Ok((path, text))
}

fn unusable(place: &Path, why: &str) -> Error {
    Error::file("read SELinux's contexts of containers in", place)(io::Error::other(why.to_owned()))
}
