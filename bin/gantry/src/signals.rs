//! Signals that reach us while a container is attached: passed on to it, or, with a terminal, an end that restores the
//! terminal first.

use std::sync::Arc;

use gantry_client::Client;
use gantry_types::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;

/// What is passed on. Not here: signals that cannot be caught, that tell of our own faults, `CHLD`, and `PIPE`.
const PASSED_ON: [i32; 13] = [
    1,  // HUP
    2,  // INT
    3,  // QUIT
    10, // USR1
    12, // USR2
    14, // ALRM
    15, // TERM
    18, // CONT
    20, // TSTP
    21, // TTIN
    22, // TTOU
    28, // WINCH
    30, // PWR
];

/// What ends us when a terminal is attached: `HUP`, `INT`, `QUIT`, `TERM`, sent by somebody else than the keyboard.
const ENDING: [i32; 4] = [1, 2, 3, 15];

/// Signals that wait to be passed on; more at once are merged, as the kernel merges them.
const QUEUE: usize = 16;

/// So many requests to end, and the user wants us gone whatever the container does.
const PATIENCE: u32 = 3;

/// A background task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Background(JoinHandle<()>);

impl Background {
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes signals on to `container` until the result is dropped, and completes `gave_up` at the third request to end.
pub(crate) fn pass_on(
    client: &Arc<Client>,
    container: &str,
) -> Result<(Background, GaveUp), Error> {
    let mut signals = listen(&PASSED_ON)?;
    let (client, container) = (Arc::clone(client), container.to_owned());
    let (sender, gave_up) = mpsc::channel(1);
    let task = Background::spawn(async move {
        let mut requests = 0;
        while let Some(signal) = signals.next().await {
            if signal == Signal::INT || signal == Signal::TERM {
                requests += 1;
            }
            if requests >= PATIENCE {
                // The receiver is gone only when we are at the end anyway.
                sender.send(()).await.unwrap_or(());
                return;
            }
            // Before the start and after the end there is nobody to take it.
            client.container_kill(&container, &signal.to_string()).await.unwrap_or(());
        }
    });
    Ok((task, GaveUp(gave_up)))
}

/// Completes when the user asked three times for an end.
#[derive(Debug)]
pub(crate) struct GaveUp(mpsc::Receiver<()>);

impl GaveUp {
    /// One that never completes, where signals are not passed on.
    pub(crate) async fn wait(gave_up: &mut Option<Self>) {
        if let Some(Self(receiver)) = gave_up
            && receiver.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Signals as they come.
pub(crate) struct Listener {
    receiver: mpsc::Receiver<Signal>,
    _tasks: Vec<Background>,
}

impl Listener {
    /// The next signal.
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        self.receiver.recv().await
    }
}

/// Listens for the signals that end us.
pub(crate) fn ending() -> Result<Listener, Error> {
    listen(&ENDING)
}

/// Listens for changes of the terminal's size.
pub(crate) fn resized() -> Result<Listener, Error> {
    listen(&[Signal::WINCH.as_raw()])
}

fn listen(signals: &[i32]) -> Result<Listener, Error> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut tasks = Vec::with_capacity(signals.len());
    for &raw in signals {
        let mut stream = signal(SignalKind::from_raw(raw))
            .map_err(|source| Error::System { action: "listen for signals", source })?;
        let Ok(number) = Signal::from_raw(raw) else { continue };
        let sender = sender.clone();
        tasks.push(Background::spawn(async move {
            while stream.recv().await.is_some() && sender.send(number).await.is_ok() {}
        }));
    }
    Ok(Listener { receiver, _tasks: tasks })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use rustix::process::{Signal as Raise, getpid, kill_process};

    use super::*;

    /// A daemon that takes note of requests and has nothing to say.
    fn note_requests(listener: UnixListener) -> std::sync::mpsc::Receiver<String> {
        let (sender, requests) = std::sync::mpsc::sync_channel(8);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 0 {
                    if line.starts_with("POST") {
                        sender.send(line.trim().to_owned()).unwrap();
                    }
                    if line == "\r\n" {
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                    }
                    line.clear();
                }
            }
        });
        requests
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn signals_are_passed_on_until_the_third_request_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let requests = note_requests(UnixListener::bind(&socket).unwrap());
        let host = format!("unix://{}", socket.display()).parse().unwrap();
        let client = Arc::new(Client::new(host));
        let (_task, gave_up) = pass_on(&client, "web").unwrap();
        let mut gave_up = Some(gave_up);
        let next = |signal, name: &str| {
            kill_process(getpid(), signal).unwrap();
            let expected = format!("POST /v1.55/containers/web/kill?signal={name} HTTP/1.1");
            let receive = || requests.recv_timeout(Duration::from_secs(10)).unwrap();
            let received = tokio::task::block_in_place(receive);
            assert_eq!(received, expected);
        };
        next(Raise::USR1, "SIGUSR1");
        next(Raise::INT, "SIGINT");
        next(Raise::TERM, "SIGTERM");
        kill_process(getpid(), Raise::INT).unwrap();
        let patience = Duration::from_secs(10);
        tokio::time::timeout(patience, GaveUp::wait(&mut gave_up)).await.unwrap();
    }
}
