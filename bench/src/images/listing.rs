//! Listing 500 images through the API, beside the cheapest call that there is.

use gantry_testkit::{Daemon, Image, Layer, Tar};
use serde_json::json;

use crate::compare::figures::{Figures, Limit};
use crate::connection::Connection;
use crate::samples::Samples;

const IMAGES: usize = 500;
const CALLS: u32 = 200;

/// A list may take so many times as long as a ping.
const LIMIT: f64 = 5.0;

pub(super) fn figures() -> Figures {
    let daemon = Daemon::start();
    let tar = Tar::new().file("etc/hostname", 0o644, b"bench\n").finish();
    for number in 0..IMAGES {
        let layers = vec![Layer { tar: tar.clone(), gzip: false }];
        let config = json!({"Cmd": ["sh"], "Labels": {"number": number.to_string()}});
        daemon.load(&Image { name: format!("bench/image-{number}:1"), layers, config });
    }
    let mut connection = Connection::open(&daemon.socket());
    let (mut ping, mut list) = (Samples::default(), Samples::default());
    for _ in 0..CALLS {
        ping.add(connection.call("/_ping").0);
        let (took, bytes) = connection.call("/images/json");
        assert!(bytes > IMAGES * 100, "the list has only {bytes} bytes");
        list.add(took);
    }
    let (ping, list) = (ping.median_ms(), list.median_ms());
    Figures {
        title: format!("the list of {IMAGES} images over one connection, medians, ms"),
        columns: vec!["_ping", "images/json"],
        rows: vec![("gantryd".to_owned(), vec![ping, list])],
        limits: vec![Limit::new(format!("images/json ≤ {LIMIT} × _ping"), list / ping, LIMIT)],
    }
}
