//! A connection to the system bus: authentication, calls, and the one signal that tells how a job of systemd's ended.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use gantry_sys::unix_socket;

use super::message::{Call, ERROR, Encoder, FIXED_BYTES, Incoming, SIGNAL, rest_bytes};

/// How long the bus may be silent while we wait for something.
const PATIENCE: Duration = Duration::from_secs(30);
const LINE_LIMIT_BYTES: usize = 512;
/// How many messages that are not for us are read before the one that is.
const OTHERS_LIMIT: usize = 10_000;

#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Job and result.
    ended_jobs: Vec<(String, String)>,
}

impl Bus {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let stream = unix_socket::connect(path).map_err(|error| {
            let text = format!("connect to the system bus {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self { stream, serial: 0, ended_jobs: Vec::new() };
        bus.authenticate()?;
        bus.call_bus("Hello", "", Vec::new())?;
        let mut rule = Encoder::default();
        rule.string(
            "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
        );
        bus.call_bus("AddMatch", "s", rule.finish())?;
        bus.call_systemd("Subscribe", "", Vec::new())?;
        Ok(bus)
    }

    /// The bus asks the kernel who we are; the name is our uid's digits, in hexadecimal.
    fn authenticate(&mut self) -> io::Result<()> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        // A digit's ASCII code is 3 and the digit.
        let name: String = uid.chars().flat_map(|digit| ['3', digit]).collect();
        self.stream.write_all(format!("\0AUTH EXTERNAL {name}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.extend(byte);
            if line.len() > LINE_LIMIT_BYTES {
                return Err(io::Error::other("the bus's answer has no end"));
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the bus does not accept this user",
            ));
        }
        self.stream.write_all(b"BEGIN\r\n")
    }

    fn call_bus(&mut self, member: &str, signature: &str, body: Vec<u8>) -> io::Result<Incoming> {
        let name = "org.freedesktop.DBus";
        let path = "/org/freedesktop/DBus";
        self.call(&Call { destination: name, path, interface: name, member, signature, body })
    }

    /// Calls systemd's manager.
    pub(super) fn call_systemd(
        &mut self,
        member: &str,
        signature: &str,
        body: Vec<u8>,
    ) -> io::Result<Incoming> {
        self.call(&Call {
            destination: "org.freedesktop.systemd1",
            path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager",
            member,
            signature,
            body,
        })
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<Incoming> {
        self.serial += 1;
        self.stream.write_all(&call.encode(self.serial))?;
        for _ in 0..OTHERS_LIMIT {
            let incoming = self.receive()?;
            if incoming.reply_to != self.serial || incoming.kind == SIGNAL {
                continue;
            }
            if incoming.kind == ERROR {
                let text = incoming.reader().string().unwrap_or_default();
                return Err(io::Error::other(format!("{}: {text}", incoming.error)));
            }
            return Ok(incoming);
        }
        Err(io::Error::other(format!("no answer to {}", call.member)))
    }

    /// Waits until a job has ended; its result, `done` when all went well.
    pub(super) fn wait_for_job(&mut self, job: &str) -> io::Result<String> {
        for _ in 0..OTHERS_LIMIT {
            if let Some((_, result)) = self.ended_jobs.iter().find(|(ended, _)| ended == job) {
                return Ok(result.clone());
            }
            self.receive()?;
        }
        Err(io::Error::other("systemd does not tell how its job ended"))
    }

    fn receive(&mut self) -> io::Result<Incoming> {
        let mut bytes = vec![0; FIXED_BYTES];
        self.read(&mut bytes)?;
        let fixed: [u8; FIXED_BYTES] =
            bytes[..].try_into().map_err(|_| io::ErrorKind::InvalidData)?;
        bytes.resize(FIXED_BYTES + rest_bytes(&fixed)?, 0);
        self.read(&mut bytes[FIXED_BYTES..])?;
        let incoming = Incoming::decode(&bytes)?;
        if incoming.kind == SIGNAL && incoming.member == "JobRemoved" {
            let mut reader = incoming.reader();
            reader.number()?;
            let job = reader.string()?;
            reader.string()?;
            self.ended_jobs.push((job, reader.string()?));
        }
        Ok(incoming)
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.stream.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the bus was silent for {} s", PATIENCE.as_secs()),
            ),
            _ => error,
        })
    }
}
