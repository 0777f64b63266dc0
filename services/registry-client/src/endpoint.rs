//! Where a registry is: from the domain in a reference to the URLs that are asked, in order.

use std::net::IpAddr;

use crate::Config;

/// The domain under which references name Docker Hub, and where it really is.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_URL: &str = "https://registry-1.docker.io";

/// One place that speaks the distribution API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Scheme, host and port, and for mirrors a path; no slash at the end.
    pub(crate) base: String,
    /// Whether its certificate must be good.
    pub(crate) verify: bool,
    /// Whether it stands in for another: whatever it refuses, the next one is asked.
    pub(crate) mirror: bool,
}

impl Endpoint {
    /// Whether a URL is on the same host and port, and reached in the same way.
    pub(crate) fn has_origin_of(&self, url: &str) -> bool {
        scheme(url) == scheme(&self.base) && authority(url) == authority(&self.base)
    }

    /// Whether a URL leads from TLS to plain text, where anybody may read and change what is sent.
    pub(crate) fn is_downgrade(&self, url: &str) -> bool {
        scheme(&self.base) == "https" && scheme(url) != "https"
    }
}

/// The endpoints for a domain. Several are alternatives: mirrors first, TLS before plain HTTP.
pub(crate) fn endpoints(domain: &str, config: &Config) -> Vec<Endpoint> {
    if domain == DOCKER_HUB {
        let mirrors = config.mirrors.iter().map(|url| mirror(url, config));
        let hub = Endpoint { base: DOCKER_HUB_URL.to_owned(), verify: true, mirror: false };
        return mirrors.chain([hub]).collect();
    }
    let verify = !is_insecure(domain, config);
    let tls = Endpoint { base: format!("https://{domain}"), verify, mirror: false };
    if verify {
        return vec![tls];
    }
    let plain = Endpoint { base: format!("http://{domain}"), ..tls.clone() };
    vec![tls, plain]
}

fn mirror(url: &str, config: &Config) -> Endpoint {
    let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let verify = !is_insecure(authority(&url), config);
    Endpoint { base: url.trim_end_matches('/').to_owned(), verify, mirror: true }
}

/// `https` or `http` in lower case (RFC 3986, section 3.1).
fn scheme(url: &str) -> String {
    url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
}

/// `host[:port]` of a URL.
pub(crate) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host of a `host[:port]`, brackets removed.
pub(crate) fn host(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// Whether the administrator lets us speak to it without a good certificate.
pub(crate) fn is_insecure(authority: &str, config: &Config) -> bool {
    let host = host(authority);
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    is_listed(authority, &config.insecure)
}

/// Whether a list of registries (`host[:port]`) and networks (`10.0.0.0/8`) has the registry `host[:port]` among them.
pub fn is_listed(authority: &str, list: &[String]) -> bool {
    let host = host(authority);
    let address: Option<IpAddr> = host.parse().ok();
    list.iter().any(|entry| {
        entry == authority
            || entry == host
            || address.is_some_and(|address| in_network(address, entry).unwrap_or(false))
    })
}

/// Whether an address lies in `address/prefix`; nothing when that is no network.
fn in_network(address: IpAddr, network: &str) -> Option<bool> {
    let (base, prefix) = network.split_once('/')?;
    let (base, prefix): (IpAddr, u32) = (base.parse().ok()?, prefix.parse().ok()?);
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((address, width), (base, base_width)) = (bits(address), bits(base));
    if width != base_width || prefix > width {
        return None;
    }
    Some(prefix == 0 || (address ^ base) >> (128 - prefix) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(domain: &str, config: &Config) -> Vec<String> {
        endpoints(domain, config).into_iter().map(|endpoint| endpoint.base).collect()
    }

    #[test]
    fn mirrors_stand_before_docker_hub_only() {
        let config = Config { mirrors: vec!["https://m.example/".to_owned()], ..Config::default() };
        assert_eq!(bases("docker.io", &config), ["https://m.example", DOCKER_HUB_URL]);
        assert_eq!(bases("quay.example", &config), ["https://quay.example"]);
    }

    #[test]
    fn plain_http_only_where_allowed() {
        let insecure = ["r.example:5000", "10.1.0.0/16", "fd00::/8"].map(str::to_owned).to_vec();
        let config = Config { insecure, ..Config::default() };
        for (domain, expected) in [
            ("r.example:5000", true),
            ("r.example", false),
            ("10.1.2.3:5000", true),
            ("10.2.2.3:5000", false),
            ("[fd12::1]:5000", true),
            ("[fe80::1]", false),
            ("localhost:5000", true),
            ("localhost.evil.example", false),
            ("127.9.9.9", true),
            ("[::1]:80", true),
        ] {
            assert_eq!(bases(domain, &config).len() == 2, expected, "{domain}");
        }
    }

    #[test]
    fn credentials_stay_with_host_port_and_scheme() {
        let endpoint = |base: &str| Endpoint { base: base.to_owned(), verify: true, mirror: false };
        let (tls, plain) = (endpoint("https://r.example"), endpoint("http://r.example"));
        for (url, of_tls, downgrade) in [
            ("https://r.example/v2/u", true, false),
            ("HTTPS://r.example/v2/u", true, false),
            ("http://r.example/v2/u", false, true),
            ("Http://r.example/v2/u", false, true),
            ("https://r.example:5000/v2/u", false, false),
            ("https://s.example/v2/u", false, false),
            ("http://s.example/v2/u", false, true),
        ] {
            assert_eq!(
                (tls.has_origin_of(url), tls.is_downgrade(url)),
                (of_tls, downgrade),
                "{url}"
            );
        }
        assert!(plain.has_origin_of("http://r.example/v2/u"));
        assert!(!plain.has_origin_of("https://r.example/v2/u"));
        assert!(!plain.is_downgrade("http://s.example/v2/u"));
    }

    #[test]
    fn authorities() {
        assert_eq!(authority("https://u:p@a.b:1/c?d"), "a.b:1");
        assert_eq!(authority("http://[::1]:5000/v2/"), "[::1]:5000");
        assert_eq!(host("[::1]:5000"), "::1");
        assert_eq!(in_network("10.0.0.1".parse().unwrap(), "0.0.0.0/0"), Some(true));
        assert_eq!(in_network("10.0.0.1".parse().unwrap(), "10.0.0.0/33"), None);
    }
}
