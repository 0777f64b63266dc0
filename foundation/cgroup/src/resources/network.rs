//! `network`: v1 only.

use gantry_oci::runtime::Network;

use super::checked_name;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

pub(crate) fn class(network: &Network, version: Version) -> Result<Vec<Setting>, Error> {
    let Some(class) = network.class_id.filter(|class| *class != 0) else { return Ok(Vec::new()) };
    refuse_v2("network.classID", version)?;
    Ok(vec![Setting::new("network.classID", "net_cls.classid", class)])
}

pub(crate) fn priorities(network: &Network, version: Version) -> Result<Vec<Setting>, Error> {
    let name = "network.priorities";
    if !network.priorities.is_empty() {
        refuse_v2(name, version)?;
    }
    let setting = |it: &gantry_oci::runtime::InterfacePriority| {
        let interface = checked_name(name, &it.name)?;
        Ok(Setting::new(name, "net_prio.ifpriomap", format!("{interface} {}", it.priority)))
    };
    network.priorities.iter().map(setting).collect()
}

fn refuse_v2(name: &str, version: Version) -> Result<(), Error> {
    match version {
        Version::V1 => Ok(()),
        Version::V2 => Err(Error::NotInVersion { setting: name.to_owned(), version: "v2" }),
    }
}
