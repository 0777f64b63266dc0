//! The environment variables that the command line knows, read once. Nothing else reads the environment.

use std::env;
use std::path::PathBuf;

/// What the environment says. Variables that are empty count as absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `GANTRY_HOST`, else `DOCKER_HOST`.
    pub(crate) host: Option<String>,
    /// Whether TLS is wanted: `DOCKER_TLS`; and with a daemon that shows who it is: `DOCKER_TLS_VERIFY`.
    pub(crate) tls: bool,
    pub(crate) tls_verify: bool,
    /// `DOCKER_CERT_PATH`, else the folder of credentials: where certificates for TLS are.
    pub(crate) certificates: Option<PathBuf>,
    /// `DOCKER_API_VERSION`: the version to speak, whatever the daemon offers.
    pub(crate) api_version: Option<String>,
    /// Whether a daemon may be started: anything but `GANTRY_AUTOSTART=0`.
    pub(crate) autostart: bool,
    /// `XDG_STATE_HOME` or `$HOME/.local/state`, for the daemon's log when `/var/log` is closed to us.
    pub(crate) state_dir: Option<PathBuf>,
    /// `DOCKER_CONFIG` or `$HOME/.docker`, where the user's registry credentials are.
    pub(crate) config_dir: Option<PathBuf>,
    /// `PATH`, to find the daemon.
    pub(crate) path: Vec<PathBuf>,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let home = || Some(PathBuf::from(variable("HOME")?).join(".local/state"));
        Self {
            host: variable("GANTRY_HOST").or_else(|| variable("DOCKER_HOST")),
            tls: variable("DOCKER_TLS").is_some(),
            tls_verify: variable("DOCKER_TLS_VERIFY").is_some(),
            certificates: variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(config_dir),
            api_version: variable("DOCKER_API_VERSION"),
            autostart: !matches!(
                variable("GANTRY_AUTOSTART").as_deref(),
                Some("0" | "false" | "no" | "off")
            ),
            state_dir: variable("XDG_STATE_HOME").map(PathBuf::from).or_else(home),
            config_dir: config_dir(),
            path: env::var_os("PATH")
                .map(|path| env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }
}

impl Environment {
    /// Another folder than the usual one; certificates are there, too, unless they have one of their own.
    pub(crate) fn use_config_dir(&mut self, folder: PathBuf) {
        if self.certificates == self.config_dir {
            self.certificates = Some(folder.clone());
        }
        self.config_dir = Some(folder);
    }
}

/// The folder of Docker's own client.
fn config_dir() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(variable("HOME")?).join(".docker"));
    variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
}

/// A variable's value, unless it is empty or not text.
fn variable(name: &str) -> Option<String> {
    env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty())
}

/// The value of a variable that the user named, for `-e NAME`.
pub(crate) fn of_user(name: &str) -> Option<String> {
    // The system refuses to look such names up.
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    Some(env::var_os(name)?.to_string_lossy().into_owned())
}
