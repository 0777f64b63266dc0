//! What a user shows to a registry.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A user's credentials at one registry. Empty fields are not given.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The account.
    pub username: String,
    /// Its password or access token.
    pub password: String,
    /// A refresh token that the token server gave at a login.
    pub identity_token: String,
    /// A bearer token to be shown as it is.
    pub registry_token: String,
}

impl Credentials {
    /// The value of `Authorization` for the Basic scheme (RFC 7617).
    pub(crate) fn basic(&self) -> Option<String> {
        (!self.username.is_empty()).then(|| {
            format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)))
        })
    }

    /// Tells the tokens of one user from those of another, in memory only.
    pub(crate) fn fingerprint(credentials: Option<&Self>) -> u64 {
        let mut hasher = DefaultHasher::new();
        credentials.hash(&mut hasher);
        hasher.finish()
    }
}

/// Secrets do not go to logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials {
            username: "ann".to_owned(),
            password: "p:w".to_owned(),
            ..Credentials::default()
        };
        assert!(!format!("{credentials:?}").contains("p:w"));
        assert_eq!(credentials.basic().unwrap(), "Basic YW5uOnA6dw==");
        assert!(Credentials::default().basic().is_none());
    }
}
