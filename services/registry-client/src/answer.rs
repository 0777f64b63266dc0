//! Reading answers: bounded documents, and the words of a refusal.

use std::io::Read;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::Response;

use crate::challenge::Challenge;
use crate::{Error, Result};

/// What a document of a registry may have, in bytes: what registries take themselves.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Of a refusal only the beginning is read.
const MAX_REFUSAL_BYTES: u64 = 16 << 10;

/// The longest text of a refusal that is shown, in characters.
const MAX_REASON: usize = 500;

/// The distribution API's error document.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<Reason>,
    /// What token servers say instead.
    #[serde(default)]
    details: String,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A response with what was asked, for errors to name.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) response: Response<Body>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The value of a header that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// How the registry wants to be asked, by a refusal with status 401.
    pub(crate) fn challenges(&self) -> Vec<Challenge> {
        let headers = self.response.headers().get_all("www-authenticate");
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        texts.flat_map(Challenge::parse_all).collect()
    }

    /// The whole document.
    pub(crate) fn document(self) -> Result<Vec<u8>> {
        let url = self.url;
        let mut bytes = Vec::new();
        let mut body = self.response.into_body().into_reader().take(MAX_DOCUMENT_BYTES + 1);
        body.read_to_end(&mut bytes)
            .map_err(|error| Error::unusable(&url, format!("it broke off: {error}")))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            let reason = format!("it is longer than {MAX_DOCUMENT_BYTES} bytes");
            return Err(Error::unusable(&url, reason));
        }
        Ok(bytes)
    }

    /// The document as a value.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let url = self.url.clone();
        let bytes = self.document()?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::unusable(&url, format!("it is no such document: {error}")))
    }

    /// The registry's own words of why it refused; printable, bounded.
    pub(crate) fn reason(self) -> String {
        let status = self.response.status();
        let mut bytes = Vec::new();
        let body = self.response.into_body().into_reader();
        // What came before a broken connection may still say why.
        drop(body.take(MAX_REFUSAL_BYTES).read_to_end(&mut bytes));
        let words = words(&bytes);
        if words.is_empty() { status.to_string() } else { words }
    }
}

fn words(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if !refusal.errors.is_empty() => {
            let reasons = refusal.errors.iter().map(|reason| {
                let code = reason.code.to_lowercase().replace('_', " ");
                match (code.as_str(), reason.message.as_str()) {
                    (code, "") => code.to_owned(),
                    ("", message) => message.to_owned(),
                    (code, message) => format!("{code}: {message}"),
                }
            });
            reasons.collect::<Vec<_>>().join("; ")
        }
        Ok(refusal) => refusal.details,
        // A page for people: the status says more.
        Err(_) => String::new(),
    };
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_refusal() {
        let one =
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#;
        assert_eq!(words(one), "manifest unknown: manifest unknown");
        let two = br#"{"errors":[{"code":"A"},{"message":"b\u001b[31m\n"}]}"#;
        assert_eq!(words(two), "a; b [31m ");
        assert_eq!(
            words(br#"{"details":"incorrect username or password"}"#),
            "incorrect username or password"
        );
        assert_eq!(words(b"<html>"), "");
        let long = format!(r#"{{"details":"{}"}}"#, "x".repeat(5000));
        assert_eq!(words(long.as_bytes()).len(), MAX_REASON);
    }
}
