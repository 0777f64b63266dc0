//! Whether the host routes, for each family: begun for the first daemon that needs it, when its rules are there, and ended with the last
//! one of those that began it.

use std::fs;
use std::path::Path;

use gantry_db::Table;
use gantry_netlink::route::Link;

use crate::mark::Mark;
use crate::state::State;
use crate::{Error, Networks, Result, switches};

/// In which boot this daemon (or another one that was there) made the host a router.
const ROUTER: Table<String> = Table::new("network-router");

/// What makes the host a router for one family.
struct Switch {
    /// Its place in the database.
    key: &'static str,
    /// Its place below `/proc/sys/net`.
    path: &'static str,
}

const IPV4: Switch = Switch { key: "boot", path: "ipv4/ip_forward" };
const IPV6: Switch = Switch { key: "boot6", path: "ipv6/conf/all/forwarding" };

/// The families for which the rules close what this host would not route without this daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Closed {
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
}

impl Networks {
    /// Finds out, before the rules are made, what they have to close.
    pub(crate) fn look_at_routing(&self, state: &mut State, boot: &str) -> Result<()> {
        let links = state.route()?.links()?;
        let other = |is: fn(&Mark) -> bool| links.iter().filter_map(Mark::of).any(|mark| is(&mark));
        let wants_ipv6 =
            state.all().any(|live| live.network.bridge.is_some() && live.network.ipv6.is_some());
        state.closed.ipv4 = self.config.forwards
            && (self.is_noted(&IPV4, boot)?
                || switches::switch_is(&self.config.sysctl, IPV4.path, "0")?
                || other(|mark| mark.is_router));
        state.closed.ipv6 = self.config.forwards
            && wants_ipv6
            && (self.is_noted(&IPV6, boot)?
                || switches::switch_is(&self.config.sysctl, IPV6.path, "0")?
                || other(|mark| mark.is_router6));
        Ok(())
    }

    fn is_noted(&self, switch: &Switch, boot: &str) -> Result<bool> {
        let noted = self.db.read(|tx| ROUTER.get(tx, switch.key))?;
        Ok(noted.is_some_and(|noted| noted == boot))
    }

    /// Lets the host route. Before the rules were there, nothing would keep it from routing whatever comes.
    pub(crate) fn begin_routing(&self, state: &mut State, boot: &str) -> Result<()> {
        if !self.config.forwards {
            return Ok(());
        }
        if state.closed.ipv4 {
            self.db.write(|tx| ROUTER.put(tx, IPV4.key, &boot.to_owned()))?;
        }
        switches::set_switch(&self.config.sysctl, IPV4.path, "1")?;
        let wants_ipv6 =
            state.all().any(|live| live.network.bridge.is_some() && live.network.ipv6.is_some());
        if wants_ipv6 {
            self.begin_ipv6(state, boot)?;
        }
        Ok(())
    }

    fn begin_ipv6(&self, state: &mut State, boot: &str) -> Result<()> {
        if state.closed.ipv6 {
            self.db.write(|tx| ROUTER.put(tx, IPV6.key, &boot.to_owned()))?;
        }
        if switches::switch_is(&self.config.sysctl, IPV6.path, "0")? {
            keep_announced_routes(&self.config.sysctl);
            switches::set_switch(&self.config.sysctl, IPV6.path, "1")?;
        }
        state.routes_ipv6 = true;
        Ok(())
    }

    /// Before the first network with IPv6 that comes later: the rules close what it would open, and its device will say so.
    pub(crate) fn prepare_ipv6(&self, state: &mut State) -> Result<()> {
        if !self.config.forwards || state.routes_ipv6 || state.closed.ipv6 {
            return Ok(());
        }
        let is_off = switches::switch_is(&self.config.sysctl, IPV6.path, "0")?;
        if is_off || self.is_noted(&IPV6, &boot()?)? {
            state.closed.ipv6 = true;
            let rules = state.rules(&state.table()?);
            state.netfilter()?.commit(&rules)?;
        }
        Ok(())
    }

    /// Lets the host route IPv6 from now on.
    pub(crate) fn route_ipv6(&self, state: &mut State) -> Result<()> {
        if !self.config.forwards || state.routes_ipv6 {
            return Ok(());
        }
        self.begin_ipv6(state, &boot()?)
    }

    /// Ends the routing that began for daemons like this one. Whether the host goes on with it behind this daemon's table: for other
    /// bridges than those of daemons that close the rest themselves.
    pub(crate) fn stop_routing(&self, state: &mut State) -> Result<bool> {
        let closed = state.closed;
        let ipv4 = closed.ipv4 && self.stop(state, &IPV4, |mark| mark.is_router)?;
        let ipv6 = closed.ipv6 && self.stop(state, &IPV6, |mark| mark.is_router6)?;
        Ok(ipv4 || ipv6)
    }

    fn stop(&self, state: &mut State, switch: &Switch, is: fn(&Mark) -> bool) -> Result<bool> {
        let links = state.route()?.links()?;
        if links.iter().filter_map(Mark::of).any(|mark| is(&mark)) {
            return Ok(false);
        }
        let is_bridge = |link: &Link| link.kind.as_deref() == Some("bridge");
        if links.iter().any(is_bridge) {
            return Ok(true);
        }
        switches::set_switch(&self.config.sysctl, switch.path, "0")?;
        self.db.write(|tx| ROUTER.remove(tx, switch.key))?;
        Ok(false)
    }
}

/// A host that routes IPv6 stops to listen to other routers, unless it is told to on a device: it would lose its own way out.
fn keep_announced_routes(sysctl: &Path) {
    let devices = fs::read_dir(sysctl.join("ipv6/conf")).into_iter().flatten().flatten();
    for device in devices {
        let path = device.path().join("accept_ra");
        if fs::read(&path).is_ok_and(|text| text.starts_with(b"1"))
            && let Err(error) = fs::write(&path, "2")
        {
            tracing::warn!(%error, path = %path.display(), "cannot keep the routes that were announced to this host");
        }
    }
}

pub(crate) fn boot() -> Result<String> {
    let failed = |source| Error::Host { action: "read the id of this boot", source };
    gantry_sys::boot_id::boot_id().map_err(failed)
}
