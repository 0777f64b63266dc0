//! The mark on the devices of a daemon: whose bridge one is, and whether its owner keeps the host from routing for others. Names and
//! addresses say nothing of that: two daemons can have chosen the same.

use gantry_netlink::route::{Link, LinkName, set_alias};
use gantry_netlink::{Request, Socket};
use gantry_types::NetworkId;

use crate::forwarding::Closed;

const BEGINNING: &str = "gantry:";
const ROUTER: &str = "router";
const ROUTER6: &str = "router6";

/// Written on a bridge as its alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The default network's id: made once for each database, and never removed from it.
    owner: String,
    /// Whether the owner's table closes what the host did not route before.
    pub(crate) is_router: bool,
    /// The same for IPv6.
    pub(crate) is_router6: bool,
}

impl Mark {
    pub(crate) fn new(owner: &NetworkId, closed: Closed) -> Self {
        Self { owner: owner.to_string(), is_router: closed.ipv4, is_router6: closed.ipv6 }
    }

    /// The mark of a bridge; none on what no daemon of this kind made.
    pub(crate) fn of(link: &Link) -> Option<Self> {
        let text = link.alias.as_deref()?.strip_prefix(BEGINNING)?;
        if !matches!(link.kind.as_deref(), Some("bridge" | "vlan" | "dummy" | "ifb")) {
            return None;
        }
        let mut words = text.split(':');
        let owner = words.next()?.to_owned();
        let mut mark = Self { owner, is_router: false, is_router6: false };
        for word in words {
            mark.is_router |= word == ROUTER;
            mark.is_router6 |= word == ROUTER6;
        }
        Some(mark)
    }

    /// Whether a device has the same owner.
    pub(crate) fn is_on(&self, link: &Link) -> bool {
        Self::of(link).is_some_and(|mark| mark.owner == self.owner)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{BEGINNING}{}", self.owner);
        for (is, word) in [(self.is_router, ROUTER), (self.is_router6, ROUTER6)] {
            if is {
                text.push(':');
                text.push_str(word);
            }
        }
        text
    }
}

/// Makes a device and marks it in one call, which no kill breaks off: the next daemon would take a device without a mark for somebody
/// else's, and leave it for ever.
pub(crate) fn make_marked(
    socket: &mut Socket,
    make: Request,
    name: &LinkName,
    mark: &str,
) -> Result<(), gantry_netlink::Error> {
    let made = socket.send(&[make, set_alias(name, mark)]);
    let is_others = |error: &gantry_netlink::Error| {
        error.raw_os_error() == Some(rustix::io::Errno::EXIST.raw_os_error())
    };
    if made.as_ref().is_err_and(is_others) {
        // Made by somebody else since the last look: it is not to be taken for ours.
        socket.send(&[set_alias(name, "")])?;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: &str, alias: &str) -> Link {
        let (kind, alias) = (Some(kind.to_owned()), Some(alias.to_owned()));
        Link { index: 1, name: "gantry0".into(), flags: 0, kind, alias, master: None }
    }

    #[test]
    fn a_mark_is_read_from_the_owner_s_bridges_only() {
        let mark = Mark::new(&NetworkId::from_bytes([7; 32]), Closed { ipv4: true, ipv6: true });
        let other = Mark::new(&NetworkId::from_bytes([8; 32]), Closed::default());
        assert_eq!(Mark::of(&link("bridge", &mark.text())), Some(mark.clone()));
        assert_eq!(Mark::of(&link("bridge", &other.text())), Some(other.clone()));
        assert!(mark.is_on(&link("bridge", &mark.text())));
        assert!(!mark.is_on(&link("bridge", &other.text())));
        assert!(!mark.is_on(&link("veth", &mark.text())));
        assert!(!mark.is_on(&link("bridge", "the uplink")));
    }
}
