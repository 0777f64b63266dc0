//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110, section 11.6.1).

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from another server (Docker's token authentication).
    Bearer {
        /// The token server.
        realm: String,
        /// What the token server calls the registry.
        service: String,
        /// What access is needed; empty where the registry says nothing.
        scope: String,
    },
}

impl Challenge {
    /// The challenges of one header, in their order; schemes that nobody here knows are left out.
    pub(crate) fn parse_all(header: &str) -> Vec<Self> {
        let mut challenges = Vec::new();
        let mut rest = header.trim_start();
        while let Some((scheme, after)) = word(rest) {
            let (parameters, after) = parameters(after);
            rest = after.trim_start_matches([',', ' ', '\t']);
            let value = |name: &str| {
                let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            if scheme.eq_ignore_ascii_case("basic") {
                challenges.push(Self::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer") && !value("realm").is_empty() {
                let (realm, service, scope) = (value("realm"), value("service"), value("scope"));
                challenges.push(Self::Bearer { realm, service, scope });
            }
        }
        challenges
    }
}

/// A token of HTTP at the beginning of `text`, and what follows.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    let end = text.find(is_end).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// `name=value` or `name="value"`, separated by commas, up to the next scheme.
fn parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let start = rest.trim_start_matches([',', ' ', '\t']);
        let Some((name, after)) = word(start) else { return (found, start) };
        // A word without a value begins the next challenge.
        let Some(after) = after.trim_start().strip_prefix('=') else { return (found, start) };
        let (value, after) = value(after.trim_start());
        found.push((name.to_owned(), value));
        rest = after;
    }
}

fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
        let (realm, service, scope) = (realm.to_owned(), service.to_owned(), scope.to_owned());
        Challenge::Bearer { realm, service, scope }
    }

    #[test]
    fn headers() {
        for (header, expected) in [
            ("Basic realm=\"x\"", vec![Challenge::Basic]),
            (
                "Bearer realm=\"https://a/token\",service=\"s\",scope=\"repository:x/y:pull,push\"",
                vec![bearer("https://a/token", "s", "repository:x/y:pull,push")],
            ),
            (
                "Negotiate, bearer realm=https://a , service=s, BASIC",
                vec![bearer("https://a", "s", ""), Challenge::Basic],
            ),
            ("Bearer realm=\"a \\\"b\\\"\"", vec![bearer("a \"b\"", "", "")]),
            ("Bearer service=\"s\"", vec![]),
            ("", vec![]),
            ("=,\"", vec![]),
        ] {
            assert_eq!(Challenge::parse_all(header), expected, "{header}");
        }
    }
}
