//! One TCP stream, in slices: a moment by our path and a moment by the one by hand, again and again. On a machine that others share,
//! the same second does not come twice; two moments next to one another are alike.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::paths::{Caller, STREAM_PORT, Side};
use super::{at_least, in_turn, medians};
use crate::compare::figures::Figures;

/// Long enough that what is under way at its end does not count, and too short for a connection to begin slowly again after the other's.
const SLICE: Duration = Duration::from_millis(40);
const SLICES_OF_A_ROUND: u32 = 10;
/// Until the connection has found its pace.
const WARM_UP: u32 = 5;
/// What is written and read at once.
const CHUNK: usize = 128 << 10;
const CHUNK_GBITS: f64 = 0.001_048_576;
/// Between two looks whether all has come.
const LOOK: Duration = Duration::from_micros(50);
/// Who has waited this long for a stream to go on waits in vain.
const PATIENCE: Duration = Duration::from_secs(10);
const CALLERS: [(Caller, &str, Option<f64>); 4] = [
    (Caller::Neighbour, "container to container", Some(0.98)),
    (Caller::Outside, "published port, from outside", Some(0.95)),
    (Caller::Loopback, "published port, on 127.0.0.1", Some(0.95)),
    (Caller::Loopback6, "published port, on ::1 (relayed)", None),
];

pub(super) fn figures(rounds: u32) -> Figures {
    let mut pairs_of = CALLERS.map(|_| Vec::new());
    for half in 0..2 {
        let sides = sides(half == 0);
        for ((caller, name, least), found) in CALLERS.into_iter().zip(&mut pairs_of) {
            eprint!("\rstreams: {name} ");
            for round in (half..rounds).step_by(2) {
                found.extend(match least {
                    Some(_) => pairs(&sides, caller, round),
                    None => alone(&sides[0], caller),
                });
            }
        }
    }
    eprintln!();
    let (mut rows, mut limits) = (Vec::new(), Vec::new());
    for ((_, name, least), pairs) in CALLERS.into_iter().zip(&pairs_of) {
        rows.push((name.to_owned(), medians(pairs)));
        limits.extend(least.map(|least| at_least(name, pairs, least)));
    }
    let title = "one TCP stream, Gbit/s".to_owned();
    Figures { title, columns: vec!["gantry", "by hand"], rows, limits }
}

/// Either may be built first: of two paths by hand, the first was 1 to 3 % slower.
fn sides(ours_first: bool) -> [Side; 2] {
    if ours_first {
        let ours = Side::gantry();
        return [ours, Side::by_hand()];
    }
    let by_hand = Side::by_hand();
    [Side::gantry(), by_hand]
}

/// One round, with connections of its own, of which either comes first: where a connection's memory lies and which processor it keeps to
/// stays as it was at its beginning, and may be worth more than what is looked for.
fn pairs(sides: &[Side; 2], caller: Caller, round: u32) -> Vec<(f64, f64)> {
    let mut streams: Vec<(usize, Stream)> = in_turn(sides.len(), round)
        .map(|side| (side, Stream::open(&sides[side], caller)))
        .collect();
    streams.sort_by_key(|(side, _)| *side);
    let pair = |number| {
        let mut rates = [0.0; 2];
        for turn in in_turn(sides.len(), number) {
            rates[turn] = streams[turn].1.gbits();
        }
        rates.into()
    };
    (0..SLICES_OF_A_ROUND).map(pair).collect()
}

/// One round of a path that nobody builds by hand.
fn alone(side: &Side, caller: Caller) -> Vec<(f64, f64)> {
    let mut stream = Stream::open(side, caller);
    (0..SLICES_OF_A_ROUND).map(|_| (stream.gbits(), f64::NAN)).collect()
}

/// A connection whose other end reads all that comes.
struct Stream {
    source: TcpStream,
    sent_bytes: u64,
    received_bytes: Arc<AtomicU64>,
}

impl Stream {
    fn open(side: &Side, caller: Caller) -> Self {
        let everywhere = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), STREAM_PORT);
        let listener = side.server().inside(|| TcpListener::bind(everywhere));
        let listener = listener.expect("listen for a stream");
        let to = SocketAddr::new(side.address(caller).parse().expect("an address"), STREAM_PORT);
        let source = side.caller(caller).inside(|| TcpStream::connect(to));
        let source = source.unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        source.set_write_timeout(Some(PATIENCE)).expect("limit how long a stream may stand still");
        let (mut sink, _) = listener.accept().expect("accept a stream");
        let received_bytes = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received_bytes);
        thread::spawn(move || {
            let mut chunk = vec![0; CHUNK];
            while let Ok(length @ 1..) = sink.read(&mut chunk) {
                count.fetch_add(length as u64, Ordering::Release);
            }
        });
        let mut stream = Self { source, sent_bytes: 0, received_bytes };
        for _ in 0..WARM_UP {
            stream.gbits();
        }
        stream
    }

    /// What came through in one slice, and what was under way at its end with the time that that took.
    fn gbits(&mut self) -> f64 {
        let (chunk, mut count) = (vec![0; CHUNK], 0_u32);
        let begin = Instant::now();
        while begin.elapsed() < SLICE {
            self.source.write_all(&chunk).expect("send a stream");
            count += 1;
        }
        self.sent_bytes += u64::from(count) * CHUNK as u64;
        while self.received_bytes.load(Ordering::Acquire) < self.sent_bytes {
            assert!(begin.elapsed() < PATIENCE, "a stream ended before all of it came");
            thread::sleep(LOOK);
        }
        f64::from(count) * CHUNK_GBITS / begin.elapsed().as_secs_f64()
    }
}
