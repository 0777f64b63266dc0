//! Files from any web server: archives that a user names by URL, and layers that their registry does not keep.
//!
//! A redirect never leads from a public address to one that is not: whoever runs a server must not make the daemon knock
//! at doors of its own network. What an image names (and not the user) is fetched from public addresses only, unless the
//! image's registry is by its address on this machine or in a private network, or one that the administrator calls
//! insecure: what its name means somebody else may decide.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gantry_types::{Digest, ErrorKind, without_password};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::answer::Answer;
use crate::endpoint::{authority, host, is_insecure};
use crate::upload::absolute;
use crate::{Client, Error, Repository, Result};

const MAX_REDIRECTS: usize = 5;
const CHUNK: usize = 256 << 10;

/// A file on its way.
pub struct Download {
    /// Where it came from in the end.
    pub url: String,
    /// Its length, when the server says it.
    pub size_bytes: Option<u64>,
    /// By what the server knows it again.
    pub validators: Validators,
    body: Box<dyn Read + Send>,
}

/// By what a server knows a file again (RFC 9110, section 8.8), as it said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// The header `ETag`.
    pub tag: Option<String>,
    /// The header `Last-Modified`.
    pub modified: Option<String>,
}

/// What is asked of a file.
#[derive(Default)]
struct Ask<'a> {
    /// The byte it begins with.
    from: u64,
    /// Nothing is wanted of a file that is still this one.
    unless: Option<&'a Validators>,
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// Fetches what a user names by an `http` or `https` URL, over five redirects at most. Proxies and certificates are
    /// those of registries; each read may take a minute.
    ///
    /// # Errors
    /// [`Error::Url`] for other URLs, [`Error::Download`] for all that a server or the way to it does.
    pub fn download(&self, url: &str) -> Result<Download> {
        let answer = self.fetch(url, &Ask::default(), Reach::Anywhere)?;
        answer.ok_or_else(|| failed(url, "the server answered with status 304"))
    }

    /// As [`Client::download`], for somebody who has the file already: `None` when it is still the one with these validators.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub fn download_unless(&self, url: &str, known: &Validators) -> Result<Option<Download>> {
        self.fetch(url, &Ask { from: 0, unless: Some(known) }, Reach::Anywhere)
    }

    /// `None` when what is asked for has not changed.
    fn fetch(&self, url: &str, ask: &Ask<'_>, mut reach: Reach) -> Result<Option<Download>> {
        let from = ask.from;
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            check(&url)?;
            let answer;
            (answer, reach) = self.get(&url, ask, reach)?;
            if matches!(answer.status(), 301 | 302 | 303 | 307 | 308) {
                let Some(location) = answer.header("location") else {
                    return Err(failed(&url, "it leads elsewhere and does not say where"));
                };
                let next = absolute(&url, location);
                if url.starts_with("https:") && !next.starts_with("https:") {
                    return Err(failed(
                        &url,
                        format!("it leads to {} without TLS", without_password(&next)),
                    ));
                }
                url = next;
                continue;
            }
            let skip = match answer.status() {
                304 if ask.unless.is_some() => return Ok(None),
                200 => from,
                206 if from > 0 => 0,
                status => return Err(refused_with(status, &url)),
            };
            let text = |name: &str| answer.header(name).map(str::to_owned);
            let validators = Validators { tag: text("etag"), modified: text("last-modified") };
            let size_bytes = answer.number("content-length").filter(|_| skip == 0);
            let mut body = answer.response.into_body().into_with_config().limit(u64::MAX).reader();
            let skipped = io::copy(&mut (&mut body).take(skip), &mut io::sink());
            skipped.map_err(|error| failed(&url, format!("it broke off: {error}")))?;
            return Ok(Some(Download { url, size_bytes, validators, body: Box::new(body) }));
        }
        Err(failed(&url, "it leads on and on elsewhere"))
    }

    /// One request, and where its answer may lead.
    fn get(&self, url: &str, ask: &Ask<'_>, reach: Reach) -> Result<(Answer, Reach)> {
        let verify = !is_insecure(authority(url), &self.transport.config);
        let finder = Finder::new(reach);
        let agent = self.transport.download_agent(url, verify, finder.clone())?;
        let mut request = agent.get(url);
        if ask.from > 0 {
            request = request.header("Range", format!("bytes={}-", ask.from));
        }
        let known = ask.unless.cloned().unwrap_or_default();
        for (name, value) in [("If-None-Match", known.tag), ("If-Modified-Since", known.modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = request.call().map_err(|error| unanswered(url, &error))?;
        Ok((Answer { url: url.to_owned(), response }, finder.reach_from_there()))
    }
}

impl Repository {
    /// Fetches a blob from one of the URLs that its manifest gives, from byte `from` on. The digest is the receiver's to
    /// check.
    ///
    /// # Errors
    /// That of the last URL, when none of them gives it.
    pub fn fetch_elsewhere(
        &self,
        (digest, urls): (&Digest, &[String]),
        size_bytes: u64,
        from: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        if from > 0 && from == size_bytes {
            return Ok(());
        }
        let reach = Reach::of_images_in(self.reference.domain(), &self.client.transport.config);
        let mut last = None;
        for url in urls.iter().take(MAX_URLS) {
            match self.client.fetch(url, &Ask { from, unless: None }, reach) {
                Ok(Some(body)) => return pour(body, digest, size_bytes - from, sink),
                Ok(None) => last = Some(failed(url, "the server sent nothing")),
                Err(error) => {
                    tracing::info!(%digest, url, %error, "a layer is not there");
                    last = Some(error);
                }
            }
        }
        let repository = self.reference.familiar_repository();
        Err(last.unwrap_or(Error::NoBlob { digest: digest.clone(), repository }))
    }
}

/// URLs of one blob that are tried.
const MAX_URLS: usize = 4;

fn pour(
    mut body: Download,
    digest: &Digest,
    wanted_bytes: u64,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<()> {
    let (mut chunk, mut got_bytes) = (vec![0; CHUNK], 0);
    loop {
        let count = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let digest = digest.clone();
                return Err(Error::BrokeOff {
                    digest,
                    got_bytes,
                    size_bytes: wanted_bytes,
                    source,
                });
            }
        };
        got_bytes += count as u64;
        if got_bytes > wanted_bytes {
            return Err(Error::TooLong { digest: digest.clone(), size_bytes: wanted_bytes });
        }
        sink(&chunk[..count]).map_err(|source| Error::Sink { digest: digest.clone(), source })?;
    }
    if got_bytes == wanted_bytes {
        return Ok(());
    }
    let source = io::ErrorKind::UnexpectedEof.into();
    Err(Error::BrokeOff { digest: digest.clone(), got_bytes, size_bytes: wanted_bytes, source })
}

fn failed(url: &str, reason: impl Into<String>) -> Error {
    let (url, reason) = (without_password(url), reason.into());
    Error::Download { url, reason, kind: ErrorKind::Internal }
}

/// The server's refusal is the daemon's, as with Docker.
fn refused_with(status: u16, url: &str) -> Error {
    let kind = match status {
        400 => ErrorKind::InvalidParameter,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        _ => ErrorKind::Internal,
    };
    let reason = format!("the server answered with status {status}");
    Error::Download { url: without_password(url), reason, kind }
}

/// A request that brought no answer: a name that nobody knows is its giver's mistake.
fn unanswered(url: &str, error: &ureq::Error) -> Error {
    let (kind, reason) = match error {
        ureq::Error::Other(cause) if cause.is::<Unresolved>() => {
            (ErrorKind::NotFound, cause.to_string())
        }
        ureq::Error::HostNotFound => (ErrorKind::NotFound, error.to_string()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            (ErrorKind::InvalidParameter, error.to_string())
        }
        ureq::Error::Io(cause) => (ErrorKind::Internal, cause.to_string()),
        _ => (ErrorKind::Internal, error.to_string()),
    };
    Error::Download { url: without_password(url), reason, kind }
}

/// Only the web.
fn check(url: &str) -> Result<()> {
    let refused = |reason| Error::Url { url: without_password(url), reason };
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "http" | "https") {
        return Err(refused("only http and https URLs are fetched"));
    }
    if url.parse::<Uri>().is_err() || host(authority(url)).is_empty() {
        return Err(refused("it is no URL"));
    }
    Ok(())
}

/// Which addresses may be spoken to on the way to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that mean the same machine to everybody.
    Public,
    /// All.
    Anywhere,
}

impl Reach {
    /// Where images of a registry may lead to. What its name means is not asked: that is its owner's to say, and a
    /// registry in a private network may well pass on images from elsewhere.
    fn of_images_in(domain: &str, config: &crate::Config) -> Self {
        let address: Option<IpAddr> = host(domain).parse().ok();
        let is_near = address.is_some_and(|address| !is_public_address(address));
        if is_near || is_insecure(domain, config) { Self::Anywhere } else { Self::Public }
    }
}

/// Addresses that mean the same machine to everybody (RFC 6890 lists those that do not).
fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || first == 0
                // Between a provider and its customers.
                || first == 100 && (64..128).contains(&second)
                || (first, second, third) == (192, 0, 0)
                // Of measurements.
                || first == 198 && second & 0xfe == 18
                || first >= 240)
        }
        IpAddr::V6(v6) => match v4_within(v6) {
            Some(v4) => is_public_address(IpAddr::V4(v4)),
            None => {
                !(v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    // Site-local, which some networks still have.
                    || v6.segments()[0] & 0xffc0 == 0xfec0
                    // For a network's own translators (RFC 8215).
                    || v6.segments()[..3] == [0x64, 0xff9b, 1])
            }
        },
    }
}

/// The address of the older kind that an address stands for: mapped and compatible ones (RFC 4291), translated ones
/// (RFC 6052), and those of 6to4 (RFC 3056).
fn v4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

/// Finds the addresses within reach, and notes what they are. It sees what is connected to, so that a name cannot mean
/// another address before or after.
#[derive(Debug, Clone)]
pub(crate) struct Finder {
    reach: Reach,
    /// Whether none was public.
    was_near: Arc<AtomicBool>,
}

impl Finder {
    fn new(reach: Reach) -> Self {
        Self { reach, was_near: Arc::default() }
    }

    /// Where what was found may lead. What nobody has looked up here, as behind a proxy, may be anybody's.
    fn reach_from_there(&self) -> Reach {
        if self.was_near.load(Ordering::Relaxed) { self.reach } else { Reach::Public }
    }
}

/// No address was found for a name, in the system's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unresolved(io::Error);

impl Resolver for Finder {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = match DefaultResolver::default().resolve(uri, config, timeout) {
            Err(ureq::Error::Io(error)) => {
                return Err(ureq::Error::Other(Box::new(Unresolved(error))));
            }
            found => found?,
        };
        let public = found.iter().filter(|address| is_public_address(address.ip())).count();
        self.was_near.store(public == 0, Ordering::Relaxed);
        if self.reach == Reach::Anywhere || public == found.len() {
            return Ok(found);
        }
        let reason = "it leads to an address that is not public";
        Err(ureq::Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, reason)))
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::time::Duration;

    use super::*;

    #[test]
    fn addresses_that_are_not_public() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.1.2.3", false),
            ("224.0.0.1", false),
            ("2001:4860:4860::8888", true),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("64:ff9b::10.1.2.3", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::1", false),
            ("2002:a01:203::1", false),
            ("fec0::1", false),
            ("192.0.0.8", false),
            ("198.19.0.1", false),
            ("250.0.0.1", false),
        ] {
            assert_eq!(is_public_address(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn where_one_address_may_lead() {
        let found = |reach, uri: &str| {
            let finder = Finder::new(reach);
            let timeout = NextTimeout { after: Duration::NotHappening, ..NextTimeout::default() };
            let found = finder.resolve(&uri.parse().unwrap(), &Config::default(), timeout);
            found.is_ok().then(|| finder.reach_from_there())
        };
        let (near, public) = ("http://127.0.0.1/a", "http://8.8.8.8/a");
        assert_eq!(found(Reach::Anywhere, near), Some(Reach::Anywhere));
        assert_eq!(found(Reach::Anywhere, public), Some(Reach::Public));
        assert_eq!(found(Reach::Public, public), Some(Reach::Public));
        assert_eq!(found(Reach::Public, near), None);
        assert_eq!(Finder::new(Reach::Anywhere).reach_from_there(), Reach::Public, "by a proxy");
    }

    #[test]
    fn where_images_may_lead() {
        let config = crate::Config { insecure: vec!["r.corp".to_owned()], ..Default::default() };
        for (domain, expected) in [
            ("localhost:5000", Reach::Anywhere),
            ("10.1.2.3:5000", Reach::Anywhere),
            ("[fd00::1]:5000", Reach::Anywhere),
            ("r.corp", Reach::Anywhere),
            ("docker.io", Reach::Public),
            ("registry.invalid", Reach::Public),
            ("8.8.8.8", Reach::Public),
        ] {
            assert_eq!(Reach::of_images_in(domain, &config), expected, "{domain}");
        }
    }

    #[test]
    fn what_is_no_url_to_fetch() {
        for url in ["file:///etc/passwd", "ftp://a/b", "/a", "", "http://", "gopher://x"] {
            assert!(check(url).is_err(), "{url}");
        }
        assert!(check("http://a.example/b.tar").is_ok());
    }
}
