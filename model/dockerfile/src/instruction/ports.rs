//! The ports of `EXPOSE`.

/// Ports of a container that it says it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expose {
    /// The first of them.
    pub first: u16,
    /// The last of them.
    pub last: u16,
    /// `tcp`, `udp` or `sctp`, in the letters of the source.
    pub protocol: String,
}

impl Expose {
    /// Reads `80`, `80/udp` or `8000-8010/tcp`; `None` when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        let is_known =
            ["tcp", "udp", "sctp"].iter().any(|known| known.eq_ignore_ascii_case(protocol));
        (is_known && first <= last).then(|| Self { first, last, protocol: protocol.to_owned() })
    }
}
