//! A connection to a bus: authentication, calls, and the one signal that tells how a job of systemd's ended.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use gantry_sys::unix_socket;

use super::message::{Call, ERROR, Encoder, FIXED_BYTES, Incoming, SIGNAL, rest_bytes};
use crate::id_map;

/// How long a call and the job that it begins may take.
const PATIENCE: Duration = Duration::from_secs(30);
const LINE_LIMIT_BYTES: usize = 512;

const BUS: (&str, &str, &str) =
    ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
const MANAGER: (&str, &str, &str) =
    ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
const PROPERTIES: (&str, &str, &str) = (MANAGER.0, MANAGER.1, "org.freedesktop.DBus.Properties");

#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    deadline: Instant,
    /// Job and result.
    ended_jobs: Vec<(String, String)>,
}

impl Bus {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let stream = unix_socket::connect(path).map_err(|error| {
            let text = format!("connect to the bus {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let deadline = Instant::now() + PATIENCE;
        let mut bus = Self { stream, serial: 0, deadline, ended_jobs: Vec::new() };
        bus.authenticate()?;
        bus.call(BUS, ("Hello", ""), Vec::new())?;
        let mut rule = Encoder::default();
        rule.string(
            "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
        );
        bus.call(BUS, ("AddMatch", "s"), rule.finish())?;
        bus.call_systemd(("Subscribe", ""), Vec::new())?;
        Ok(bus)
    }

    /// The bus asks the kernel who we are; the name is our uid's digits, in hexadecimal.
    fn authenticate(&mut self) -> io::Result<()> {
        let uid = host_uid()?.to_string();
        // A digit's ASCII code is 3 and the digit.
        let name: String = uid.chars().flat_map(|digit| ['3', digit]).collect();
        self.stream.write_all(format!("\0AUTH EXTERNAL {name}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.read(&mut byte)?;
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

    /// Calls systemd's manager: a method and the types of its arguments.
    pub(super) fn call_systemd(
        &mut self,
        method: (&str, &str),
        body: Vec<u8>,
    ) -> io::Result<Incoming> {
        self.call(MANAGER, method, body)
    }

    /// A property of systemd's manager that is a text.
    pub(super) fn property(&mut self, name: &str) -> io::Result<String> {
        let mut body = Encoder::default();
        body.string(MANAGER.2);
        body.string(name);
        self.call(PROPERTIES, ("Get", "ss"), body.finish())?.reader().variant_string()
    }

    fn call(
        &mut self,
        (destination, path, interface): (&str, &str, &str),
        (member, signature): (&str, &str),
        body: Vec<u8>,
    ) -> io::Result<Incoming> {
        self.deadline = Instant::now() + PATIENCE;
        self.serial += 1;
        let call = Call { destination, path, interface, member, signature, body };
        self.stream.write_all(&call.encode(self.serial))?;
        loop {
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
    }

    /// Waits until a job has ended; its result, `done` when all went well.
    pub(super) fn wait_for_job(&mut self, job: &str) -> io::Result<String> {
        self.deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((_, result)) = self.ended_jobs.iter().find(|(ended, _)| ended == job) {
                return Ok(result.clone());
            }
            self.receive()?;
        }
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

    /// Fills the buffer before the deadline, however slowly the bytes come and whatever else is told meanwhile.
    fn read(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        let late = || {
            let text = format!("no answer within {} s", PATIENCE.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, text)
        };
        while !bytes.is_empty() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(late());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// This user as the bus sees it, which knows nothing of our user namespace.
fn host_uid() -> io::Result<u32> {
    let own = rustix::process::geteuid().as_raw();
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    mapped(&map, own).ok_or_else(|| io::Error::other(format!("uid {own} is nobody outside")))
}

/// The id outside of one inside.
fn mapped(map: &str, own: u32) -> Option<u32> {
    id_map::parse(map).iter().find_map(|range| {
        let offset = own.checked_sub(range.container_id).filter(|offset| *offset < range.size)?;
        range.host_id.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_its_id_outside() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (own, outside) in [(0, Some(1000)), (1, Some(100_000)), (65_537, None)] {
            assert_eq!(mapped(map, own), outside);
        }
        assert_eq!(mapped("0 0 4294967295\n", 7), Some(7));
    }
}
