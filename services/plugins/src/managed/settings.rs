//! What a user set in a plugin: only what its configuration calls settable.

use gantry_api::plugin::{PluginConfig, PluginSettings};

use crate::{Error, Result};

/// What is in force as long as nobody sets anything.
pub fn defaults(config: &PluginConfig) -> PluginSettings {
    let value = |env: &gantry_api::plugin::PluginEnv| {
        env.value.as_ref().map(|value| format!("{}={value}", env.name))
    };
    PluginSettings {
        args: config.args.value.clone(),
        devices: config.linux.devices.clone(),
        env: config.env.iter().filter_map(value).collect(),
        mounts: config.mounts.clone(),
    }
}

/// Sets `NAME=value` or `NAME.field=value`, all of them or none.
///
/// # Errors
/// [`Error::Setting`] for one that is malformed, unknown, or not to be set.
pub fn apply(
    config: &PluginConfig,
    settings: &PluginSettings,
    words: &[String],
) -> Result<PluginSettings> {
    let mut changed = settings.clone();
    for word in words {
        set(config, &mut changed, word)?;
    }
    Ok(changed)
}

/// What was set in an earlier version of the plugin, as far as this one lets it be set.
pub fn carry_over(
    before: (&PluginConfig, &PluginSettings),
    config: &PluginConfig,
) -> PluginSettings {
    let mut kept = defaults(config);
    let original = defaults(before.0);
    let env = before.1.env.iter().filter(|word| !original.env.contains(word)).cloned();
    let args = (before.1.args != original.args && !config.args.name.is_empty())
        .then(|| format!("{}={}", config.args.name, before.1.args.join(" ")));
    let sources = before.1.mounts.iter().filter(|mount| !original.mounts.contains(mount));
    let sources =
        sources.filter_map(|it| Some(format!("{}.source={}", it.name, it.source.as_ref()?)));
    let devices = before.1.devices.iter().filter(|device| !original.devices.contains(device));
    let paths = devices.filter_map(|it| Some(format!("{}.path={}", it.name, it.path.as_ref()?)));
    for word in env.chain(args).chain(sources).chain(paths) {
        // What is not there any more is not kept.
        set(config, &mut kept, &word).unwrap_or_default();
    }
    kept
}

fn set(config: &PluginConfig, settings: &mut PluginSettings, word: &str) -> Result<()> {
    let bad = |reason: String| Error::Setting { word: word.to_owned(), reason };
    let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(bad("it is not NAME=value".to_owned()));
    };
    if value.contains('\0') {
        return Err(bad("a value has no NUL in it".to_owned()));
    }
    // Names may have dots of their own: the whole first.
    let pairs = [Some((key, None)), key.rsplit_once('.').map(|(name, field)| (name, Some(field)))];
    for (name, field) in pairs.into_iter().flatten() {
        let found = set_named(config, settings, (name, field), value);
        match found {
            Some(Ok(())) => return Ok(()),
            Some(Err(reason)) => return Err(bad(reason)),
            None => {}
        }
    }
    Err(bad(format!("setting {key:?} not found in the plugin configuration")))
}

/// `None` when there is nothing of that name.
fn set_named(
    config: &PluginConfig,
    settings: &mut PluginSettings,
    (name, field): (&str, Option<&str>),
    value: &str,
) -> Option<Result<(), String>> {
    let allowed = |settable: &[String], only: &str| {
        let field = field.unwrap_or(only);
        if field == only && settable.iter().any(|it| it == field) {
            Ok(())
        } else {
            Err(format!("{field:?} of {name:?} is not settable"))
        }
    };
    if let Some(env) = config.env.iter().find(|it| it.name == name) {
        return Some(allowed(&env.settable, "value").map(|()| {
            let begin = format!("{name}=");
            let word = format!("{begin}{value}");
            // Each keeps its place.
            match settings.env.iter_mut().find(|it| it.starts_with(&begin)) {
                Some(known) => *known = word,
                None => settings.env.push(word),
            }
        }));
    }
    if let Some(mount) = config.mounts.iter().find(|it| it.name == name) {
        let checked = allowed(&mount.settable, "source").and_then(|()| absolute(value));
        return Some(checked.map(|path| {
            for it in settings.mounts.iter_mut().filter(|it| it.name == name) {
                it.source = Some(path.clone());
            }
        }));
    }
    if let Some(device) = config.linux.devices.iter().find(|it| it.name == name) {
        let checked = allowed(&device.settable, "path").and_then(|()| absolute(value));
        return Some(checked.map(|path| {
            for it in settings.devices.iter_mut().filter(|it| it.name == name) {
                it.path = Some(path.clone());
            }
        }));
    }
    (!name.is_empty() && config.args.name == name).then(|| {
        allowed(&config.args.settable, "value").map(|()| {
            settings.args =
                value.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        })
    })
}

fn absolute(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err(format!("{path:?} is no absolute path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed::parse;

    fn config() -> PluginConfig {
        let text = r#"{"entrypoint": ["/p"], "interface": {"types": ["docker.volumedriver/1.0"], "socket": "p.sock"},
            "env": [{"name": "DEBUG", "value": "0", "settable": ["value"]}, {"name": "FIXED", "value": "1"}, {"name": "A.B", "settable": ["value"]}],
            "mounts": [{"name": "state", "source": "/a", "destination": "/x", "settable": ["source"]}],
            "linux": {"devices": [{"name": "dev", "path": "/dev/null", "settable": ["path"]}]},
            "args": {"name": "args", "value": ["one"], "settable": ["value"]}}"#;
        parse(text.as_bytes()).unwrap()
    }

    fn set(words: &[&str]) -> Result<PluginSettings> {
        let config = config();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        apply(&config, &defaults(&config), &words)
    }

    #[test]
    fn what_is_settable_is_set() {
        let set =
            set(&["DEBUG=1", "state.source=/b", "dev.path=/dev/zero", "args=two three", "A.B=x=y"])
                .unwrap();
        assert_eq!(set.env, ["DEBUG=1", "FIXED=1", "A.B=x=y"]);
        assert_eq!(set.mounts[0].source.as_deref(), Some("/b"));
        assert_eq!(set.devices[0].path.as_deref(), Some("/dev/zero"));
        assert_eq!(set.args, ["two", "three"]);
    }

    #[test]
    fn all_or_nothing_and_nothing_else() {
        for (word, says) in [
            ("FIXED=2", "not settable"),
            ("state.options=ro", "not settable"),
            ("nothing=1", "not found"),
            ("DEBUG", "NAME=value"),
            ("state.source=b", "no absolute path"),
        ] {
            let error = set(&["DEBUG=1", word]).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn settings_go_on_in_the_next_version() {
        let before =
            set(&["DEBUG=1", "args=two", "state.source=/b", "dev.path=/dev/zero"]).unwrap();
        let mut next = config();
        next.mounts.clear();
        let kept = carry_over((&config(), &before), &next);
        assert_eq!(kept.env, ["DEBUG=1", "FIXED=1"]);
        assert_eq!(kept.args, ["two"]);
        assert_eq!(kept.devices[0].path.as_deref(), Some("/dev/zero"));
        assert!(kept.mounts.is_empty());
    }
}
