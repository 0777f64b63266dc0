//! The settings that a reload changes: registries, labels, features, limits. The same way at the start and later.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use gantry_engine::{ContainerDefaults, LiveSettings, Proxies, RegistryConfig};

use crate::error::Error;
use crate::given::RegistryKeys;

/// Where certificates for single registries are; Docker's own folder too.
const CERTIFICATE_FOLDERS: [&str; 2] = ["/etc/gantry/certs.d", "/etc/docker/certs.d"];
/// More at a time help nobody.
const MOST_AT_ONCE: i64 = 64;
const MOST_ATTEMPTS: i64 = 1000;

/// What was said, but for registries.
pub(crate) struct Told {
    pub debug: bool,
    pub experimental: bool,
    pub labels: Vec<String>,
    pub features: BTreeMap<String, bool>,
    pub containers: ContainerDefaults,
    pub authorization_plugins: Vec<String>,
    pub shutdown_timeout_s: Option<i64>,
}

/// What became of it.
pub(crate) struct Resolved {
    pub settings: LiveSettings,
    /// Read once, when the engine opens.
    pub signature_policy: Option<PathBuf>,
}

/// Checks and completes it.
pub(crate) fn resolve(keys: RegistryKeys, told: Told) -> Result<Resolved, Error> {
    check_labels(&told.labels)?;
    let default = LiveSettings::default();
    let nondistributable = keys.allow_nondistributable_artifacts.clone().unwrap_or_default();
    let [downloads, uploads] = [
        (
            "max-concurrent-downloads",
            keys.max_concurrent_downloads,
            default.max_concurrent_downloads,
        ),
        ("max-concurrent-uploads", keys.max_concurrent_uploads, default.max_concurrent_uploads),
    ]
    .map(|(key, given, default)| {
        let count = count((key, given), MOST_AT_ONCE)?;
        Ok::<_, Error>(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(default))
    });
    let signature_policy = keys.signature_policy.clone();
    if let Some(path) = signature_policy.as_ref().filter(|path| !path.is_absolute()) {
        return Err(Error::RelativePath { flag: "--signature-policy", path: path.clone() });
    }
    let shutdown_timeout = match told.shutdown_timeout_s {
        None => default.shutdown_timeout,
        Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
    };
    let settings = LiveSettings {
        debug: told.debug,
        experimental: told.experimental,
        labels: told.labels,
        features: told.features,
        registries: registries(keys)?,
        nondistributable,
        max_concurrent_downloads: downloads?,
        max_concurrent_uploads: uploads?,
        containers: told.containers,
        authorization_plugins: told.authorization_plugins,
        shutdown_timeout,
    };
    Ok(Resolved { settings, signature_policy })
}

/// Which registries may be spoken to, and how.
fn registries(keys: RegistryKeys) -> Result<RegistryConfig, Error> {
    let mirrors = keys.registry_mirrors.unwrap_or_default();
    for mirror in &mirrors {
        check_mirror(mirror)?;
    }
    let proxy = |given: Option<String>, names: [&str; 2]| {
        let from_environment =
            || names.iter().find_map(|name| env::var_os(name)?.into_string().ok());
        given.or_else(from_environment).unwrap_or_default()
    };
    let attempts = count(("max-download-attempts", keys.max_download_attempts), MOST_ATTEMPTS)?;
    let default = RegistryConfig::default();
    Ok(RegistryConfig {
        mirrors,
        insecure: keys.insecure_registries.unwrap_or_default(),
        certificate_folders: CERTIFICATE_FOLDERS.map(PathBuf::from).to_vec(),
        proxies: Proxies {
            http: proxy(keys.http_proxy, ["HTTP_PROXY", "http_proxy"]),
            https: proxy(keys.https_proxy, ["HTTPS_PROXY", "https_proxy"]),
            exempt: proxy(keys.no_proxy, ["NO_PROXY", "no_proxy"]),
        },
        user_agent: format!("gantry/{}", env!("CARGO_PKG_VERSION")),
        attempts: attempts.unwrap_or(default.attempts),
    })
}

/// Zero is the default, as in Docker.
fn count((key, given): (&'static str, Option<i64>), most: i64) -> Result<Option<u32>, Error> {
    match given {
        None | Some(0) => Ok(None),
        Some(count) if (1..=most).contains(&count) => Ok(u32::try_from(count).ok()),
        Some(count) => Err(refused(
            key,
            &count.to_string(),
            &format!("it takes 1 to {most}, or 0 for the default"),
        )),
    }
}

fn check_mirror(mirror: &str) -> Result<(), Error> {
    let rest = mirror.strip_prefix("https://").or_else(|| mirror.strip_prefix("http://"));
    // What is refused is told in the log, which others read.
    let shown = match mirror.rsplit_once('@') {
        Some((_, host)) => format!("xxxxx@{host}"),
        None => mirror.to_owned(),
    };
    let refuse = |why| Err(refused("registry-mirrors", &shown, why));
    match rest {
        None => refuse("it takes a URL that begins with https:// or http://"),
        Some(rest) if rest.trim_end_matches('/').is_empty() => refuse("it names no host"),
        Some(rest) if rest.contains('@') => refuse("it must not hold credentials"),
        Some(rest) if rest.contains(['?', '#']) => refuse("it must not have a query or a fragment"),
        Some(rest) if rest.contains(char::is_whitespace) => refuse("it has white space in it"),
        Some(_) => Ok(()),
    }
}

/// `key=value` or `key`; one key does not mean two things.
fn check_labels(labels: &[String]) -> Result<(), Error> {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for label in labels {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        if key.is_empty() {
            return Err(refused("labels", label, "it has no name"));
        }
        if key.contains(char::is_whitespace) {
            return Err(refused("labels", label, "its name has white space in it"));
        }
        let values = known.entry(key).or_default();
        values.insert(value);
        if values.len() > 1 {
            return Err(refused("labels", label, "the same label has another value already"));
        }
    }
    Ok(())
}

fn refused(key: &'static str, value: &str, why: &str) -> Error {
    Error::Refused { key, value: value.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Given;
    use crate::settings::Settings;

    fn live(json: &str) -> Result<LiveSettings, String> {
        let given: Given = serde_json::from_str(json).unwrap();
        let told = Told {
            debug: false,
            experimental: false,
            labels: given.labels.unwrap_or_default(),
            features: BTreeMap::new(),
            containers: ContainerDefaults::default(),
            authorization_plugins: Vec::new(),
            shutdown_timeout_s: given.shutdown_timeout,
        };
        resolve(given.registries, told)
            .map(|resolved| resolved.settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let default = live("{}").unwrap();
        assert_eq!(default.registries.attempts, 5);
        assert_eq!(default.shutdown_timeout, Some(Duration::from_secs(15)));
        let zero = live(r#"{"max-concurrent-downloads":0,"max-download-attempts":0}"#).unwrap();
        assert_eq!(zero, default);
    }

    #[test]
    fn what_is_said_is_taken() {
        let told = live(
            r#"{"max-concurrent-downloads":2,"max-concurrent-uploads":3,"max-download-attempts":7,"labels":["a=1","b"],
            "shutdown-timeout":-1,"registry-mirrors":["https://m.example/"],"http-proxy":"http://p"}"#,
        )
        .unwrap();
        assert_eq!((told.max_concurrent_downloads, told.max_concurrent_uploads), (2, 3));
        assert_eq!((told.registries.attempts, told.shutdown_timeout), (7, None));
        assert_eq!(told.registries.proxies.http, "http://p");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (json, says) in [
            (r#"{"max-concurrent-downloads":-1}"#, "max-concurrent-downloads cannot be -1"),
            (r#"{"max-concurrent-uploads":65}"#, "1 to 64"),
            (r#"{"registry-mirrors":["ftp://m"]}"#, "https://"),
            (r#"{"registry-mirrors":["https://"]}"#, "no host"),
            (
                r#"{"registry-mirrors":["https://u:secret@m"]}"#,
                "cannot be xxxxx@m: it must not hold credentials",
            ),
            (r#"{"registry-mirrors":["u:secret@m"]}"#, "begins with https://"),
            (r#"{"registry-mirrors":["https://m?x"]}"#, "query"),
            (r#"{"labels":["=x"]}"#, "no name"),
            (r#"{"labels":["a b=x"]}"#, "white space"),
            (r#"{"labels":["a=1","a=2"]}"#, "another value"),
            (r#"{"signature-policy":"policy.json"}"#, "absolute"),
        ] {
            let error = live(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_whole_set_of_settings_has_them() {
        let given = serde_json::from_str(r#"{"debug":true,"init-path":"/bin/true"}"#).unwrap();
        match Settings::resolve(given) {
            Ok(settings) => assert!(settings.engine.live.debug),
            // Its programs are not beside a test.
            Err(error) => assert!(matches!(error, Error::MissingProgram { .. }), "{error}"),
        }
    }
}
