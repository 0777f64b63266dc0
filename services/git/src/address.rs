//! Addresses with passwords in them: who asks is told to the server alone, and to nobody who looks at the list of processes, at an
//! error, or into what is kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_types::percent_decoded;

use crate::{Login, Wanted};

/// The same with its password where logins are. It is meant for this address, and comes before others.
pub(crate) fn with_login(wanted: &Wanted) -> Wanted {
    let mut wanted = wanted.clone();
    if let Some((scheme, user, rest)) = parts(&wanted.url)
        && let Some((name, password)) = user.split_once(':')
    {
        let pair = format!("{}:{}", percent_decoded(name), percent_decoded(password));
        let header = format!("Basic {}", STANDARD.encode(pair));
        (wanted.url, wanted.login) = (format!("{scheme}://{rest}"), Some(Login::Header(header)));
    }
    wanted
}

/// An address for a file that others read: without who asks.
pub(crate) fn without_user(url: &str) -> String {
    parts(url).map_or_else(|| url.to_owned(), |(scheme, _, rest)| format!("{scheme}://{rest}"))
}

/// An address of the web that says who asks: scheme, user with password, and all from the host on.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@')?;
    matches!(scheme, "http" | "https")
        .then(|| (scheme, user, &rest[rest.len() - path.len() - host.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_become_logins() {
        let of = |url: &str| {
            let wanted = Wanted { url: url.to_owned(), ..Wanted::default() };
            let found = with_login(&wanted);
            let header = match found.login {
                Some(Login::Header(header)) => header,
                _ => String::new(),
            };
            (found.url, header)
        };
        let check = |url: &str, left: &str, pair: &str| {
            let header = if pair.is_empty() {
                String::new()
            } else {
                format!("Basic {}", STANDARD.encode(pair))
            };
            assert_eq!(of(url), (left.to_owned(), header), "{url}");
        };
        check("https://me:pa%40ss@host:1/a.git", "https://host:1/a.git", "me:pa@ss");
        check("https://me:p@ss@host", "https://host", "me:p@ss");
        check("https://me@host/a", "https://me@host/a", "");
        check("https://host/a@b:c", "https://host/a@b:c", "");
        check("ssh://me:p@host/a", "ssh://me:p@host/a", "");
        assert_eq!(without_user("https://token@host/a"), "https://host/a");
        assert_eq!(without_user("ssh://git@host/a"), "ssh://git@host/a");
    }
}
