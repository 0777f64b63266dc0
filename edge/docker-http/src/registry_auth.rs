//! The headers `X-Registry-Auth` and `X-Registry-Config`: a user's credentials for one registry or several, as JSON in base64.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gantry_api::system::AuthConfig;
use gantry_engine::Credentials;
use hyper::header::HeaderMap;

use crate::error::Error;

const NAME: &str = "x-registry-auth";
const CONFIG: &str = "x-registry-config";
/// Docker Hub, and what clients call it where they keep credentials.
const HUB: &str = "docker.io";
const HUB_KEY: &str = "https://index.docker.io/v1/";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// What Docker's clients send.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
/// What some others send, and what stands in configuration files.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The credentials of a request; none where it brings none.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Credentials>, Error> {
    let Some(value) = headers.get(NAME).filter(|value| !value.is_empty()) else { return Ok(None) };
    let bytes = URL_SAFE.decode(value).or_else(|_| STANDARD.decode(value));
    let parsed = bytes.ok().and_then(|bytes| match bytes.as_slice() {
        // Some clients send this when they know nothing.
        b"" | b"null" => Some(AuthConfig::default()),
        text => serde_json::from_slice(text).ok(),
    });
    let invalid = "invalid X-Registry-Auth header: it must be base64 of a JSON object";
    credentials(parsed.ok_or_else(|| Error::Invalid(invalid.to_owned()))?)
}

/// The credentials by registry that a build brings in `X-Registry-Config`; none where it brings none.
pub(crate) fn of_builds(headers: &HeaderMap) -> Result<BTreeMap<String, Credentials>, Error> {
    let Some(value) = headers.get(CONFIG).filter(|value| !value.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let bytes = URL_SAFE.decode(value).or_else(|_| STANDARD.decode(value));
    let parsed: Option<Option<BTreeMap<String, AuthConfig>>> =
        bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let invalid = "invalid X-Registry-Config header: it must be base64 of a JSON object";
    let given = parsed.ok_or_else(|| Error::Invalid(invalid.to_owned()))?.unwrap_or_default();
    let mut all = BTreeMap::new();
    for (registry, auth) in given {
        // Under its old name, which is an address.
        let domain = if registry == HUB_KEY { HUB.to_owned() } else { registry };
        if let Some(credentials) = credentials(auth)? {
            all.insert(domain, credentials);
        }
    }
    Ok(all)
}

/// The credentials that a client's document holds; none when all of it is empty.
pub(crate) fn credentials(given: AuthConfig) -> Result<Option<Credentials>, Error> {
    let (mut username, mut password) = (given.username, given.password);
    if username.is_empty() && !given.auth.is_empty() {
        let text =
            STANDARD.decode(&given.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = text.as_deref().and_then(|text| text.split_once(':'));
        let invalid =
            || Error::Invalid("invalid auth: it must be base64 of user:password".to_owned());
        let (user, secret) = pair.ok_or_else(invalid)?;
        (username, password) = (user.to_owned(), secret.to_owned());
    }
    let credentials = Credentials {
        username,
        password,
        identity_token: given.identitytoken,
        registry_token: given.registrytoken,
    };
    Ok((credentials != Credentials::default()).then_some(credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<Credentials>, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, value.parse().unwrap());
        from_headers(&headers)
    }

    #[test]
    fn both_alphabets_with_and_without_padding() {
        let json = r#"{"username":"ann","password":"p?>~w"}"#;
        for text in [URL_SAFE.encode(json), STANDARD.encode(json)] {
            for value in [text.as_str(), text.trim_end_matches('=')] {
                let credentials = read(value).unwrap().unwrap();
                assert_eq!(
                    (credentials.username.as_str(), credentials.password.as_str()),
                    ("ann", "p?>~w")
                );
            }
        }
    }

    #[test]
    fn nothing_is_nothing_and_nonsense_is_refused() {
        assert!(from_headers(&HeaderMap::new()).unwrap().is_none());
        assert!(read("").unwrap().is_none());
        assert!(read(&URL_SAFE.encode("{}")).unwrap().is_none());
        assert!(read(&URL_SAFE.encode("null")).unwrap().is_none());
        assert!(read("%%%").is_err() && read(&URL_SAFE.encode("[1]")).is_err());
    }

    #[test]
    fn the_pair_of_the_configuration_file_counts() {
        let auth = STANDARD.encode("ann:a:b");
        let given = AuthConfig { auth, ..AuthConfig::default() };
        let credentials = credentials(given).unwrap().unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("ann", "a:b"));
    }
}
