//! Files by URL, and layers that lie elsewhere.

use std::io::Read;
use std::net::TcpListener;

use gantry_registry_client::{Access, Error};
use gantry_types::ErrorKind;

use super::server::{Reply, Server, client, sha256};

const CONTENT: &[u8] = b"0123456789abcdefghij";

fn download(url: &str) -> Result<(String, Vec<u8>), Error> {
    let mut file = client().download(url)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Ok((file.url, bytes))
}

#[test]
fn a_file_over_redirects() {
    let server = Server::new(|request| match request.target.as_str() {
        "/a" => Reply::new(302, "").with("Location", "/b"),
        "/b" => Reply::new(307, "").with("Location", "c.tar?d"),
        "/c.tar?d" => Reply::new(200, CONTENT),
        "/around" => Reply::new(301, "").with("Location", "/around"),
        "/nowhere" => Reply::new(302, ""),
        "/passwd" => Reply::new(302, "").with("Location", "file:///etc/passwd"),
        _ => Reply::new(404, "no such file"),
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    assert_eq!(download(&url("/a")).unwrap(), (url("/c.tar?d"), CONTENT.to_vec()));
    for (path, reason) in [
        ("/around", "leads on and on"),
        ("/nowhere", "does not say where"),
        ("/passwd", "only http and https"),
        ("/absent", "the server answered with status 404"),
    ] {
        let error = download(&url(path)).unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
    }
    assert_eq!(server.count("/around"), 6);
    assert!(download("ftp://a.example/b").unwrap_err().to_string().contains("only http and https"));
}

#[test]
fn whose_fault_it_is() {
    let server = Server::new(|request| {
        Reply::new(request.target[1..].parse().expect("a status is asked for"), "")
    });
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, kind, reason) in [
        (format!("http://{}/400", server.address), ErrorKind::InvalidParameter, "status 400"),
        (format!("http://{}/401", server.address), ErrorKind::Unauthorized, "status 401"),
        (format!("http://{}/403", server.address), ErrorKind::Forbidden, "status 403"),
        (format!("http://{}/404", server.address), ErrorKind::NotFound, "status 404"),
        (format!("http://{}/418", server.address), ErrorKind::Internal, "status 418"),
        (format!("http://{}/500", server.address), ErrorKind::Internal, "status 500"),
        ("http://nobody.invalid/a".to_owned(), ErrorKind::NotFound, "failed to lookup address"),
        (format!("http://{free}/"), ErrorKind::Internal, "Connection refused"),
    ] {
        let error = download(&url).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_layer_from_one_of_its_urls() {
    let server = Server::new(|request| match request.target.as_str() {
        "/good" => Reply::part_of(CONTENT, request),
        "/whole" => Reply::new(200, CONTENT),
        "/long" => Reply::new(200, CONTENT).with_more(b"more"),
        "/short" => Reply::new(200, &CONTENT[..7]),
        _ => Reply::new(404, ""),
    });
    let repository = server.repository(Access::Pull);
    let digest = sha256(CONTENT);
    let fetch = |paths: &[&str], from: usize| {
        let urls: Vec<String> =
            paths.iter().map(|path| format!("http://{}{path}", server.address)).collect();
        let mut taken = CONTENT[..from].to_vec();
        let (size_bytes, from) = (CONTENT.len() as u64, from as u64);
        let fetched =
            repository.fetch_elsewhere((&digest, &urls), size_bytes, from, &mut |piece| {
                taken.extend_from_slice(piece);
                Ok(())
            });
        fetched.map(|()| taken)
    };
    assert_eq!(fetch(&["/good"], 0).unwrap(), CONTENT);
    assert_eq!(fetch(&["/absent", "/good"], 5).unwrap(), CONTENT, "the next one, and the rest");
    assert_eq!(fetch(&["/whole"], 5).unwrap(), CONTENT, "a server without ranges");
    assert!(matches!(fetch(&["/long"], 0), Err(Error::TooLong { .. })));
    assert!(matches!(fetch(&["/short"], 0), Err(Error::BrokeOff { got_bytes: 7, .. })));
    assert!(matches!(fetch(&["/absent"], 0), Err(Error::Download { .. })));
    assert_eq!(fetch(&["/absent"], CONTENT.len()).unwrap(), CONTENT, "nothing is missing");
}

#[test]
fn an_image_from_elsewhere_leads_to_no_private_address() {
    let server = Server::new(|_| Reply::new(200, CONTENT));
    // Nobody knows this name when it is asked for: that says nothing of where the image came from.
    let repository =
        client().repository(&"registry.invalid/a:b".parse().unwrap(), None, Access::Pull);
    let urls = [format!("http://{}/layer", server.address)];
    let place = (&sha256(CONTENT), &urls[..]);
    let fetched = repository.fetch_elsewhere(place, CONTENT.len() as u64, 0, &mut |_| Ok(()));
    let error = fetched.unwrap_err().to_string();
    assert!(error.contains("not public"), "{error}");
    assert_eq!(server.count("/layer"), 0);
}
