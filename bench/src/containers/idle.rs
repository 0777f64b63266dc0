//! What a daemon takes that has nothing to do.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gantry_testkit::{Daemon, NetworkHost, Options};

use super::engines::{Engine, archive};
use crate::compare::figures::{Figures, Limit};
use crate::compare::peer::Dockerd;
use crate::processes::pss_mb;

/// What follows a start is over by then.
const SETTLED: Duration = Duration::from_secs(5);

const MOST_MB: f64 = 20.0;

pub(super) fn figures(folder: &Path) -> Figures {
    let network = Some(Arc::new(NetworkHost::new()));
    let daemon = Daemon::start_with(Options { network, ..Options::default() });
    thread::sleep(SETTLED);
    let ours = pss_mb(&[daemon.pid().to_string()]);
    drop(daemon);
    let mut rows = vec![("gantryd".to_owned(), vec![ours])];
    if let Some(dockerd) = Dockerd::start_on(Some(NetworkHost::new()), folder, &archive(folder)) {
        thread::sleep(SETTLED);
        let mb = pss_mb(&Engine::Docker(&dockerd).daemons());
        rows.push(("dockerd and containerd".to_owned(), vec![mb]));
    }
    Figures {
        title: "daemons with nothing to do: PSS, MB".to_owned(),
        columns: vec!["PSS"],
        rows,
        limits: vec![Limit::new(format!("gantryd ≤ {MOST_MB} MB"), ours, MOST_MB)],
    }
}
