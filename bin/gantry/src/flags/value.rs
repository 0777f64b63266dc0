//! Values of flags: numbers with units, durations, addresses, words with an equals sign. Each is checked when it is
//! parsed, and the text of a refusal follows `invalid argument "…" for "…" flag: `.

use std::net::IpAddr;

use gantry_types::ByteSize;

use crate::streams::DetachKeys;

/// Bytes with an optional unit.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let size: ByteSize =
        text.parse().map_err(|error: gantry_types::InvalidSize| error.to_string())?;
    i64::try_from(size.bytes()).map_err(|_| format!("invalid size: '{text}'"))
}

/// [`bytes`], or −1 for no limit.
pub(crate) fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { bytes(text) }
}

/// A number of CPUs with up to nine decimals, in billionths.
pub(crate) fn nano_cpus(text: &str) -> Result<i64, String> {
    const NANOS: i64 = 1_000_000_000;
    let invalid = || format!("failed to parse {text} as a rational number");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(invalid());
    }
    if fraction.len() > 9 {
        return Err("value is too precise".to_owned());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let nanos: i64 = format!("{fraction:0<9}").parse().map_err(|_| invalid())?;
    whole.checked_mul(NANOS).and_then(|all| all.checked_add(nanos)).ok_or_else(invalid)
}

/// A duration as Go writes it, `1h2m3.5s`, in nanoseconds.
pub(crate) fn duration_ns(text: &str) -> Result<i64, String> {
    gantry_types::duration_nanos(text).ok_or_else(|| {
        format!("invalid duration \"{text}\": it takes numbers with units, as in 1m30s")
    })
}

/// An environment variable: `NAME=value`, or `NAME` to take it from our own environment.
pub(crate) fn environment(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('=') {
        return Err(format!("invalid environment variable: {text}"));
    }
    Ok(text.to_owned())
}

/// A label: `name=value` or `name`.
pub(crate) fn label(text: &str) -> Result<String, String> {
    let name = text.split('=').next().unwrap_or_default();
    if name.is_empty() {
        return Err(format!("invalid label '{text}': empty name"));
    }
    if name.contains(char::is_whitespace) {
        return Err(format!("label '{name}' contains whitespaces"));
    }
    Ok(text.to_owned())
}

/// A word, an equals sign and a value that may be empty.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err("it takes the form name=value".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A kernel parameter with a namespace of its own.
pub(crate) fn sysctl(text: &str) -> Result<(String, String), String> {
    const ALLOWED: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let own = |name: &str| {
        ALLOWED.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.")
    };
    match text.split_once('=') {
        Some((name, value)) if own(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("sysctl '{text}' is not allowed")),
    }
}

/// The address of a DNS server.
pub(crate) fn address(text: &str) -> Result<String, String> {
    match text.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("IP address is not correctly formatted: {text}")),
    }
}

/// `name:address` or `name=address`; the address may be `host-gateway`.
pub(crate) fn extra_host(text: &str) -> Result<String, String> {
    let malformed = || format!("bad format for add-host: \"{text}\"");
    let (name, address) =
        text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(malformed)?;
    if name.is_empty() {
        return Err(malformed());
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare != "host-gateway" && bare.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: \"{address}\""));
    }
    Ok(format!("{name}:{bare}"))
}

/// Keys that detach.
pub(crate) fn detach_keys(text: &str) -> Result<DetachKeys, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus() {
        for (text, nanos) in
            [("1", 1_000_000_000), ("1.5", 1_500_000_000), (".25", 250_000_000), ("0", 0)]
        {
            assert_eq!(nano_cpus(text), Ok(nanos), "{text}");
        }
        for text in ["", ".", "x", "-1", "1.2.3", "1.0000000001", "99999999999999"] {
            assert!(nano_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, ns) in [
            ("0", 0),
            ("3s", 3_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("10ms", 10_000_000),
        ] {
            assert_eq!(duration_ns(text), Ok(ns), "{text}");
        }
        for text in ["", "3", "s", "3x", "1..5s", "-3s", "99999999999h"] {
            assert!(duration_ns(text).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("64m"), Ok(67_108_864));
        assert_eq!(bytes_or_unlimited("-1"), Ok(-1));
        assert_eq!(bytes("-1"), Err("invalid size: '-1'".to_owned()));
    }

    #[test]
    fn words() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=x").is_err() && environment("=x").is_err() && label("=x").is_err());
        assert_eq!(sysctl("a.b=c"), Err("sysctl 'a.b=c' is not allowed".to_owned()));
        assert_eq!(sysctl("net.ipv4.ip_forward=1"), Ok(("net.ipv4.ip_forward".into(), "1".into())));
        assert_eq!(extra_host("q:1.2.3.4"), Ok("q:1.2.3.4".to_owned()));
        assert_eq!(extra_host("v=[::1]"), Ok("v:::1".to_owned()));
        assert_eq!(extra_host("g=host-gateway"), Ok("g:host-gateway".to_owned()));
        assert!(extra_host("x").is_err() && extra_host("x:y").is_err() && address("foo").is_err());
    }
}
