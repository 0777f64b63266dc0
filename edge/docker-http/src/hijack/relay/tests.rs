//! The relay between two socket pairs: one plays the client's connection, the other the process's streams.

use super::super::framing::Unframed;
use super::*;
use crate::socket::Transport;

const PATIENCE: Duration = Duration::from_secs(20);

/// A relay under way, with the far ends of both its sides.
struct Running {
    client: UnixStream,
    process: UnixStream,
    relay: tokio::task::JoinHandle<io::Result<End>>,
}

fn start(early: &str, typing: Typing) -> Running {
    start_framing(early, typing, Framing::Kept)
}

fn start_framing(early: &str, typing: Typing, framing: Framing) -> Running {
    let (client, near_client) = UnixStream::pair().unwrap();
    let (process, near_process) = UnixStream::pair().unwrap();
    let early = BytesMut::from(early.as_bytes());
    let relay = tokio::spawn(async move {
        let (reader, mut writer) = ClientSocket::new(Transport::Unix(near_client)).into_split();
        let mut input = Input { reader, early, ended: false };
        let end = exchange(&mut input, &mut writer, near_process, typing, framing).await?;
        close(input, writer).await?;
        Ok(end)
    });
    Running { client, process, relay }
}

impl Running {
    /// The relay's end, after the client has closed its side.
    async fn end(self) -> End {
        drop(self.client);
        tokio::time::timeout(PATIENCE, self.relay).await.unwrap().unwrap().unwrap()
    }
}

async fn read_all(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn output_goes_on_after_the_client_has_ended_its_input() {
    let mut running = start("", Typing::Passed(None));
    running.client.write_all(b"question").await.unwrap();
    running.client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut running.process).await, "question");
    running.process.write_all(b"answer").await.unwrap();
    running.process.shutdown().await.unwrap();
    assert_eq!(read_all(&mut running.client).await, "answer");
    assert_eq!(running.end().await, End::Output);
}

/// The end of a client for whom a head and then a process's whole output are on their way.
fn head_and_output() -> (UnixStream, tokio::task::JoinHandle<io::Result<()>>) {
    let (client, near_client) = UnixStream::pair().unwrap();
    let (mut process, near_process) = UnixStream::pair().unwrap();
    let relay = tokio::spawn(async move {
        process.write_all(b"output").await?;
        drop(process);
        let (_reader, mut writer) = ClientSocket::new(Transport::Unix(near_client)).into_split();
        writer.send(b"head").await?;
        copy(near_process.into_split().0, &mut writer, Framing::Kept).await
    });
    (client, relay)
}

/// A client may read the head by another way than what follows.
#[tokio::test]
async fn output_does_not_come_along_with_the_head() {
    let (mut client, relay) = head_and_output();
    // The client is slow: time for the output to come.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut buffer = [0; 100];
    let length = client.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"head");
    assert_eq!(read_all(&mut client).await, "output");
    relay.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_never_reads_the_head_is_not_waited_for() {
    let (mut client, relay) = head_and_output();
    tokio::time::timeout(PATIENCE, relay).await.unwrap().unwrap().unwrap();
    assert_eq!(read_all(&mut client).await, "headoutput");
}

#[tokio::test]
async fn bytes_that_came_with_the_request_are_first() {
    let mut running = start("early ", Typing::Passed(None));
    running.client.write_all(b"late").await.unwrap();
    running.client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut running.process).await, "early late");
}

#[tokio::test]
async fn a_client_that_is_gone_ends_the_relay_of_a_silent_process() {
    for typing in [Typing::Passed(None), Typing::Dropped] {
        let running = start("", typing);
        let Running { client, process, relay } = running;
        drop(client);
        let end = tokio::time::timeout(PATIENCE, relay).await.unwrap().unwrap().unwrap();
        assert_eq!(end, End::ClientLeft);
        drop(process);
    }
}

#[tokio::test]
async fn a_process_that_does_not_read_stays_attached() {
    let mut running = start("", Typing::Passed(None));
    // Shuts the direction from the relay to the process.
    let process = running.process.into_std().unwrap();
    process.shutdown(std::net::Shutdown::Read).unwrap();
    running.process = UnixStream::from_std(process).unwrap();
    for _ in 0..3 {
        running.client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    }
    running.process.write_all(b"still here").await.unwrap();
    running.process.shutdown().await.unwrap();
    assert_eq!(read_all(&mut running.client).await, "still here");
    assert_eq!(running.end().await, End::Output);
}

/// Types until the process's side is full, then the relay's piece, then the client's own side; returns how much it was.
async fn fill(client: &mut UnixStream) -> usize {
    let mut typed = 0;
    let still = Duration::from_millis(200);
    while let Ok(written) = tokio::time::timeout(still, client.write(&[b'x'; 4096])).await {
        typed += written.unwrap();
    }
    typed
}

#[tokio::test]
async fn a_client_that_leaves_a_process_that_does_not_read_ends_the_relay() {
    let mut left = Vec::new();
    for keys in [None, Some(DetachKeys::default())] {
        let Running { mut client, process, relay } = start("", Typing::Passed(keys));
        assert!(fill(&mut client).await > 0);
        left.push((process, relay));
    }
    for (process, relay) in left {
        let end = tokio::time::timeout(PATIENCE, relay).await.unwrap().unwrap().unwrap();
        assert_eq!(end, End::ClientLeft);
        drop(process);
    }
}

#[tokio::test]
async fn what_a_client_typed_that_left_is_delivered_to_a_process_that_reads() {
    let Running { mut client, mut process, relay } = start("", Typing::Passed(None));
    let typed = fill(&mut client).await;
    drop(client);
    assert_eq!(read_all(&mut process).await.len(), typed);
    let end = tokio::time::timeout(PATIENCE, relay).await.unwrap().unwrap().unwrap();
    assert_eq!(end, End::ClientLeft);
}

#[tokio::test]
async fn without_stdin_bytes_go_nowhere_and_the_process_is_not_told_of_the_end() {
    let mut running = start("early", Typing::Dropped);
    running.client.write_all(b"late").await.unwrap();
    running.client.shutdown().await.unwrap();
    running.process.write_all(b"out").await.unwrap();
    let mut out = [0; 3];
    running.client.read_exact(&mut out).await.unwrap();
    let mut nothing = [0; 1];
    let read =
        tokio::time::timeout(Duration::from_millis(50), running.process.read(&mut nothing)).await;
    assert!(read.is_err(), "the process read {read:?}");
    running.process.shutdown().await.unwrap();
    assert_eq!(running.end().await, End::Output);
}

#[tokio::test]
async fn large_output_arrives_whole_at_a_slow_reader() {
    let mut running = start("", Typing::Passed(None));
    let sent: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let (mut process, expected) = (running.process, sent.clone());
    let writing = tokio::spawn(async move {
        process.write_all(&sent).await.unwrap();
        process.shutdown().await.unwrap();
        process
    });
    let mut received = Vec::new();
    while running.client.read_buf(&mut received).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(received == expected, "{} bytes of {} arrived", received.len(), expected.len());
    running.process = writing.await.unwrap();
    assert_eq!(running.end().await, End::Output);
}

#[tokio::test]
async fn frames_come_and_go_on_the_way_to_the_client() {
    let (raw, framed) = ("out", "\x01\0\0\0\0\0\0\x03out");
    let removed = Framing::Removed(Unframed::default());
    let ways = [(Framing::Kept, raw, raw), (Framing::Added, raw, framed), (removed, framed, raw)];
    for (framing, written, expected) in ways {
        let mut running = start_framing("", Typing::Passed(None), framing);
        running.process.write_all(written.as_bytes()).await.unwrap();
        running.process.shutdown().await.unwrap();
        assert_eq!(read_all(&mut running.client).await, expected);
        assert_eq!(running.end().await, End::Output);
    }
}

#[tokio::test]
async fn detach_keys_let_the_client_go() {
    let mut running = start("", Typing::Passed(Some(DetachKeys::default())));
    running.client.write_all(b"ls\n\x10\x11").await.unwrap();
    assert_eq!(read_all(&mut running.client).await, "");
    assert_eq!(read_all(&mut running.process).await, "ls\n");
    assert_eq!(running.end().await, End::ClientLeft);
}

#[test]
fn a_failure_is_told_as_docker_tells_it() {
    let error = gantry_engine::Error::ShuttingDown;
    assert_eq!(failure(Output::Raw, &error), "the daemon is shutting down\r\n");
    assert_eq!(failure(Output::Framed, &error)[..8], [1, 0, 0, 0, 0, 0, 0, 29]);
}
