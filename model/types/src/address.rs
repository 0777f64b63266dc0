//! Addresses of the web and of repositories, as they may be shown.

/// What stands for a word that is not shown.
const HIDDEN: &str = "xxxxx";

/// An address without the password in it, for messages, logs and documents. On the web the user's name goes as well: tokens are written
/// in either place.
pub fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, host)) = authority.rsplit_once('@') else { return address.to_owned() };
    let path = &rest[authority.len()..];
    match user.split_once(':') {
        _ if matches!(scheme, "http" | "https") => format!("{scheme}://{HIDDEN}@{host}{path}"),
        Some((name, _)) => format!("{scheme}://{name}:{HIDDEN}@{host}{path}"),
        None => address.to_owned(),
    }
}

/// A part of an address with the bytes that `%` and two digits stand for (RFC 3986, section 2.1); what is no UTF-8 is replaced.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_not_shown() {
        for (address, shown) in [
            ("https://me:secret@host/a", "https://xxxxx@host/a"),
            ("https://me:sec@ret@host/a", "https://xxxxx@host/a"),
            ("https://token@host/a", "https://xxxxx@host/a"),
            ("https://token:x-oauth-basic@host?q", "https://xxxxx@host?q"),
            ("https://host/a@b:c", "https://host/a@b:c"),
            ("https://host?a@b", "https://host?a@b"),
            ("ssh://git@host/a", "ssh://git@host/a"),
            ("ssh://git:secret@host/a", "ssh://git:xxxxx@host/a"),
            ("git@host:a", "git@host:a"),
            ("folder/a", "folder/a"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
