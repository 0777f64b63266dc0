//! Credentials: how they are asked for, and to whom they go.

use gantry_registry_client::{Access, Credentials, Error};

use super::server::{Reply, Request, Server, client, sha256};

const MANIFEST: &str = r#"{"schemaVersion":2}"#;
/// ann:secret
const BASIC: &str = "Basic YW5uOnNlY3JldA==";

fn ann() -> Credentials {
    let (username, password) = ("ann".to_owned(), "secret".to_owned());
    Credentials { username, password, ..Credentials::default() }
}

fn host(request: &Request) -> String {
    request.header("host").unwrap().to_owned()
}

/// A registry with a token server of its own; each token is good for so many requests.
fn with_tokens(uses: usize) -> Server {
    let (issued, used) = (std::sync::Mutex::new(0), std::sync::Mutex::new(0));
    Server::new(move |request| {
        let mut issued = issued.lock().unwrap();
        if request.target.starts_with("/token") {
            assert!(request.target.contains("service=s"));
            assert!(
                request.target.contains("scope=repository%3Aa%2Fb%3Apull"),
                "{}",
                request.target
            );
            *issued += 1;
            *used.lock().unwrap() = 0;
            return Reply::new(200, format!(r#"{{"token":"t{issued}","expires_in":300}}"#));
        }
        let good = format!("Bearer t{issued}");
        let mut used = used.lock().unwrap();
        if request.header("authorization") == Some(&good) && *used < uses {
            *used += 1;
            return Reply::new(200, MANIFEST);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", host(request));
        Reply::new(401, "").with("WWW-Authenticate", challenge)
    })
}

#[test]
fn a_token_is_fetched_once_and_renewed_when_it_is_refused() {
    let server = with_tokens(3);
    let repository = server.repository(Access::Pull);
    for _ in 0..3 {
        repository.manifest("t").unwrap();
    }
    assert_eq!(server.count("/token"), 1);
    repository.manifest("t").unwrap();
    assert_eq!(server.count("/token"), 2);
}

#[test]
fn a_token_may_be_said_to_last_for_ever() {
    let server = Server::new(|request| {
        if request.target.starts_with("/token") {
            return Reply::new(200, format!(r#"{{"token":"t","expires_in":{}}}"#, u64::MAX));
        }
        if request.header("authorization") == Some("Bearer t") {
            return Reply::new(200, MANIFEST);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", host(request));
        Reply::new(401, "").with("WWW-Authenticate", challenge)
    });
    let repository = server.repository(Access::Pull);
    for _ in 0..2 {
        repository.manifest("t").unwrap();
    }
    assert_eq!(server.count("/token"), 1);
}

#[test]
fn refusals_do_not_go_round_in_circles() {
    let server = with_tokens(0);
    let error = server.repository(Access::Pull).manifest("t").unwrap_err();
    assert!(matches!(error, Error::Denied { action: "pull", .. }), "{error}");
    assert!(server.requests().len() <= 4, "{}", server.requests().len());
}

#[test]
fn basic_credentials() {
    let server = Server::new(|request| match request.header("authorization") {
        Some(BASIC) => Reply::new(200, MANIFEST),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    assert!(server.repository_as(Access::Pull, Some(ann())).manifest("t").is_ok());
    let error = server.repository(Access::Pull).manifest("t").unwrap_err().to_string();
    assert!(error.contains("pull access denied") && error.contains("docker login"), "{error}");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let elsewhere = Server::new(|_| Reply::new(200, "content"));
    let target = format!("http://localhost:{}/blob", elsewhere.address.rsplit(':').next().unwrap());
    let server = Server::new(move |request| match request.header("authorization") {
        Some(BASIC) => Reply::new(307, "").with("Location", target.clone()),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    let repository = server.repository_as(Access::Pull, Some(ann()));
    assert_eq!(repository.document_blob(&sha256(b"content"), 7).unwrap(), b"content");
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_token_server_that_says_nothing_useful() {
    for (reply, expected) in [
        (Reply::new(200, r#"{"token":""}"#), "it has no token"),
        (Reply::new(200, "<html>"), "no such document"),
        (
            Reply::new(401, r#"{"details":"incorrect username or password"}"#),
            "unauthorized: incorrect",
        ),
    ] {
        let server = Server::new(move |request| {
            if request.target.starts_with("/token") {
                return reply.clone();
            }
            let challenge = format!("Bearer realm=\"http://{}/token\"", host(request));
            Reply::new(401, "").with("WWW-Authenticate", challenge)
        });
        let error = server.repository(Access::Pull).manifest("t").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_login_is_checked_and_may_give_a_refresh_token() {
    let basic = Server::new(|request| match request.header("authorization") {
        Some(BASIC) => Reply::new(200, "{}"),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    assert_eq!(client().login(&basic.address, &ann()).unwrap(), None);
    let wrong = Credentials { password: "x".to_owned(), ..ann() };
    assert!(matches!(client().login(&basic.address, &wrong), Err(Error::Unauthorized { .. })));

    let tokens = Server::new(|request| {
        if request.target.starts_with("/token") {
            assert!(request.target.contains("offline_token=true"));
            assert_eq!(request.header("authorization"), Some(BASIC));
            return Reply::new(200, r#"{"access_token":"t","refresh_token":"r"}"#);
        }
        if request.header("authorization") == Some("Bearer t") {
            return Reply::new(200, "{}");
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", host(request));
        Reply::new(401, "").with("WWW-Authenticate", challenge)
    });
    assert_eq!(client().login(&tokens.address, &ann()).unwrap().as_deref(), Some("r"));
}

#[test]
fn a_refresh_token_is_exchanged_without_the_password() {
    let server = Server::new(|request| {
        if request.target.starts_with("/token") {
            let form = String::from_utf8(request.body.clone()).unwrap();
            assert!(form.contains("grant_type=refresh_token") && form.contains("refresh_token=r"));
            return Reply::new(200, r#"{"access_token":"t"}"#);
        }
        if request.header("authorization") == Some("Bearer t") {
            return Reply::new(200, MANIFEST);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", host(request));
        Reply::new(401, "").with("WWW-Authenticate", challenge)
    });
    let credentials = Credentials { identity_token: "r".to_owned(), ..Credentials::default() };
    assert!(server.repository_as(Access::Pull, Some(credentials)).manifest("t").is_ok());
}

#[test]
fn requests_at_the_same_time_all_learn_what_is_wanted() {
    let server = Server::new(|request| match request.header("authorization") {
        Some(BASIC) => Reply::new(200, MANIFEST),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    for _ in 0..20 {
        let repository = server.repository_as(Access::Pull, Some(ann()));
        let gate = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    gate.wait();
                    repository.manifest("t").unwrap();
                });
            }
        });
    }
}
