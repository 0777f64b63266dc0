//! `--mount`: `type=bind,src=/host,dst=/container,readonly` and its relatives.

use gantry_api::mount::{
    BindOptions, ImageOptions, Mount, MountDriver, TmpfsOptions, VolumeOptions,
};

use super::value;
use gantry_types::csv;

/// Reads one mount.
pub(super) fn mount(text: &str) -> Result<Mount, String> {
    let mut mount = Mount { r#type: "volume".to_owned(), ..Mount::default() };
    let fields = csv::fields(text)?;
    for field in &fields {
        if let Some(kind) = field.strip_prefix("type=") {
            mount.r#type = kind.to_ascii_lowercase();
        }
    }
    for field in &fields {
        apply(&mut mount, field)?;
    }
    check(&mount)?;
    Ok(mount)
}

fn apply(mount: &mut Mount, field: &str) -> Result<(), String> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), value),
        None => match field.trim() {
            switch @ ("readonly" | "ro" | "volume-nocopy" | "bind-nonrecursive") => {
                (switch.to_owned(), "true")
            }
            _ => return Err(format!("invalid field '{field}' must be a key=value pair")),
        },
    };
    let switch =
        || crate::cli::boolean(value).map_err(|_| format!("invalid value for {key}: {value}"));
    let bind = || -> BindOptions { mount.bind_options.clone().unwrap_or_default() };
    let volume = || -> VolumeOptions { mount.volume_options.clone().unwrap_or_default() };
    let tmpfs = || -> TmpfsOptions { mount.tmpfs_options.clone().unwrap_or_default() };
    match key.as_str() {
        "type" => {}
        "source" | "src" => mount.source = absolute(&mount.r#type, value),
        "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
        "readonly" | "ro" => mount.read_only = switch()?,
        "consistency" => mount.consistency = value.to_ascii_lowercase(),
        "bind-propagation" => {
            mount.bind_options =
                Some(BindOptions { propagation: value.to_ascii_lowercase(), ..bind() });
        }
        "bind-nonrecursive" => {
            mount.bind_options = Some(BindOptions { non_recursive: switch()?, ..bind() });
        }
        "bind-recursive" => mount.bind_options = Some(recursive(bind(), value)?),
        "bind-create-src" => {
            mount.bind_options = Some(BindOptions { create_mountpoint: switch()?, ..bind() });
        }
        "volume-subpath" => {
            mount.volume_options = Some(VolumeOptions { subpath: value.to_owned(), ..volume() });
        }
        "volume-nocopy" => {
            mount.volume_options = Some(VolumeOptions { no_copy: switch()?, ..volume() });
        }
        "volume-label" => {
            let (name, text) = value::pair(value)?;
            let mut options = volume();
            options.labels.insert(name, text);
            mount.volume_options = Some(options);
        }
        "volume-driver" | "volume-opt" => {
            mount.volume_options = Some(driver(volume(), &key, value)?);
        }
        "image-subpath" => mount.image_options = Some(ImageOptions { subpath: value.to_owned() }),
        "tmpfs-size" => {
            let size_bytes =
                value::bytes(value).map_err(|_| format!("invalid value for {key}: {value}"))?;
            mount.tmpfs_options = Some(TmpfsOptions { size_bytes, ..tmpfs() });
        }
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(value, 8)
                .map_err(|_| format!("invalid value for {key}: {value}"))?;
            mount.tmpfs_options = Some(TmpfsOptions { mode, ..tmpfs() });
        }
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

/// A host path that begins with a dot means a place below the current directory.
fn absolute(kind: &str, path: &str) -> String {
    if kind == "bind" && path.starts_with('.') {
        super::storage::absolute(path)
    } else {
        path.to_owned()
    }
}

fn recursive(options: BindOptions, value: &str) -> Result<BindOptions, String> {
    Ok(match value {
        "enabled" => options,
        "disabled" => BindOptions { non_recursive: true, ..options },
        "writable" => BindOptions { read_only_non_recursive: true, ..options },
        "readonly" => BindOptions { read_only_force_recursive: true, ..options },
        _ => {
            return Err(format!(
                "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ));
        }
    })
}

fn driver(mut options: VolumeOptions, key: &str, value: &str) -> Result<VolumeOptions, String> {
    let config = options.driver_config.get_or_insert_with(MountDriver::default);
    if key == "volume-driver" {
        value.clone_into(&mut config.name);
    } else {
        let (name, text) = value::pair(value)?;
        config.options.insert(name, text);
    }
    Ok(options)
}

fn check(mount: &Mount) -> Result<(), String> {
    let kind = mount.r#type.as_str();
    if kind.is_empty() {
        return Err("type is required".to_owned());
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    let foreign = |name: &str, given: bool| {
        if given && kind != name {
            Err(format!("cannot mix '{name}-*' options with mount type '{kind}'"))
        } else {
            Ok(())
        }
    };
    foreign("bind", mount.bind_options.is_some())?;
    foreign("volume", mount.volume_options.is_some())?;
    foreign("image", mount.image_options.is_some())?;
    foreign("tmpfs", mount.tmpfs_options.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_mounts() {
        for (text, expected) in [
            (
                "type=bind,src=/x,dst=/y,readonly",
                json!({"Type": "bind", "Source": "/x", "Target": "/y", "ReadOnly": true}),
            ),
            (
                "type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770",
                json!({"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 67_108_864, "Mode": 1016}}),
            ),
            ("src=data,target=/d", json!({"Type": "volume", "Source": "data", "Target": "/d"})),
            (
                "type=volume,dst=/d,volume-nocopy,volume-opt=o=rw",
                json!({"Type": "volume", "Target": "/d",
                    "VolumeOptions": {"NoCopy": true, "DriverConfig": {"Options": {"o": "rw"}}}}),
            ),
            (
                "dst=/y,bind-propagation=rshared,type=bind,src=/x,ro=false",
                json!({"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {"Propagation": "rshared"}}),
            ),
        ] {
            assert_eq!(serde_json::to_value(mount(text).unwrap()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, reason) in [
            ("foo", "invalid field 'foo' must be a key=value pair"),
            ("type=bind,dst=/x,foo=bar", "unexpected key 'foo' in 'foo=bar'"),
            ("type=bind,src=/x", "target is required"),
            (
                "type=bind,dst=/x,tmpfs-size=1m",
                "cannot mix 'tmpfs-*' options with mount type 'bind'",
            ),
            ("type=tmpfs,dst=/x,tmpfs-size=x", "invalid value for tmpfs-size: x"),
            ("type=bind,dst=/x,readonly=maybe", "invalid value for readonly: maybe"),
        ] {
            assert_eq!(mount(text).unwrap_err(), reason, "{text}");
        }
    }
}
