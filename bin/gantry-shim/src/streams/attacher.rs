//! A client on `io.sock`: takes output, and gives input when it asked to.

use super::outlet::Outlet;
use super::{Streams, is_hang_up};
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use gantry_shim_protocol::attach::{OutputStream, Streams as Choice, output_header};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// What one attacher may fall behind in memory. What comes then goes to the disk, where the process has a log there; else the process
/// waits.
const BACKLOG_BYTES: usize = 1 << 20;
/// How long one that the disk takes no more for may take nothing before it is let go.
const HANGS_AFTER: Duration = Duration::from_mins(1);
/// What is read and thrown away of a client's input when the connection ends.
const MAX_DISCARDED_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Attacher {
    outlet: Outlet,
    choice: Choice,
    /// Its input has not ended yet, and somebody may want it.
    input_open: bool,
    /// It closed the connection; what it sent before may still be there.
    gone: bool,
}

/// What came from an attacher.
enum Received {
    Bytes(usize),
    Nothing,
    End,
}

impl Attacher {
    /// A client that was accepted, over a socket that does not block.
    pub(crate) fn new(socket: Watched<OwnedFd>, choice: Choice) -> Self {
        let outlet = Outlet::new(socket, BACKLOG_BYTES);
        Self { outlet, choice, input_open: choice.stdin, gone: false }
    }

    pub(crate) fn token(&self) -> Token {
        self.outlet.token()
    }

    /// What memory does not take goes to the disk, into this folder.
    pub(super) fn overflow_into(&mut self, folder: PathBuf) {
        self.outlet.overflow_into(folder);
    }

    /// See [`Outlet::time_to_overflow`].
    pub(super) fn time_to_overflow(&self, now: Duration) -> Option<Duration> {
        self.outlet.time_to_overflow(now)
    }

    /// How long it may take nothing, where nobody else has said so.
    pub(super) fn patience(&self, closing: bool) -> Option<Duration> {
        (!closing && self.outlet.has_overflown()).then_some(HANGS_AFTER)
    }

    pub(super) fn is_full(&self) -> bool {
        self.outlet.is_full()
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.outlet.has_backlog()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone || self.outlet.is_broken()
    }

    /// Since when it takes nothing although it should.
    pub(super) fn stalled_since(&self, closing: bool) -> Option<Duration> {
        let due = self.is_full() || (closing && self.has_backlog());
        due.then(|| self.outlet.last_progress())
    }

    /// Gives it output that it asked for: framed, unless it is a terminal's.
    pub(super) fn offer(&mut self, stream: OutputStream, terminal: bool, data: &[u8]) {
        let wanted = match stream {
            OutputStream::Stdout => self.choice.stdout,
            OutputStream::Stderr => self.choice.stderr,
        };
        if !wanted || self.gone {
            return;
        }
        if terminal {
            self.outlet.offer(&[], data);
        } else {
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.outlet.offer(&output_header(stream, length), data);
        }
    }

    pub(super) fn update_interest(&mut self, input_wanted: bool, poller: &Poller) {
        if self.is_gone() {
            self.outlet.unwatch(poller);
            return;
        }
        let reading = self.input_open && input_wanted;
        let flags = if reading { EventFlags::IN } else { EventFlags::empty() };
        self.outlet.watch(Some(flags), poller);
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Received {
        match recv(self.outlet.fd(), buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Received::End,
            Ok((_, length)) => Received::Bytes(length),
            // A client that left without ending its input has ended it now.
            Err(Errno::AGAIN | Errno::INTR) if !self.is_gone() => Received::Nothing,
            Err(_) => Received::End,
        }
    }

    /// Says goodbye. Input that nobody read must not be there when the socket closes: the client
    /// would see an error instead of the end.
    pub(super) fn hang_up(&mut self, poller: &Poller) {
        self.outlet.unwatch(poller);
        // The client may be gone already.
        shutdown(self.outlet.fd(), Shutdown::Both).unwrap_or_default();
        let mut block = [0; 4096];
        let mut discarded = 0;
        while discarded < MAX_DISCARDED_BYTES {
            match self.receive(&mut block) {
                Received::Bytes(length) => discarded += length,
                Received::Nothing | Received::End => break,
            }
        }
    }
}

impl Streams {
    pub(super) fn handle_attacher(&mut self, event: Event, poller: &Poller) {
        let mut attachers = self.attachers.iter_mut();
        let Some(attacher) = attachers.find(|attacher| attacher.token() == event.token) else {
            return;
        };
        if event.flags.contains(EventFlags::OUT) {
            attacher.outlet.flush();
        }
        attacher.gone |= is_hang_up(event.flags);
        if attacher.is_gone() {
            attacher.outlet.unwatch(poller);
        }
    }

    /// One block of input from the attacher with this token.
    pub(super) fn take_input_of(&mut self, token: Token, buffer: &mut [u8], poller: &Poller) {
        let position = self.attachers.iter().position(|attacher| attacher.token() == token);
        if let Some(index) = position {
            self.take_input(index, buffer, poller);
        }
    }

    /// Moves what attacher `index` sends into the process's input. False: nothing more is to be had now.
    fn take_input(&mut self, index: usize, buffer: &mut [u8], poller: &Poller) -> bool {
        if !self.input.can_take() {
            return false;
        }
        let attacher = &mut self.attachers[index];
        if !attacher.input_open {
            return false;
        }
        let limit = buffer.len().min(super::input::BLOCK_BYTES);
        match attacher.receive(&mut buffer[..limit]) {
            Received::Bytes(length) => {
                self.input.put(&buffer[..length], poller);
                true
            }
            Received::Nothing => false,
            Received::End => {
                attacher.input_open = false;
                // A terminal's input never ends; programs there go by the characters.
                if !self.terminal {
                    self.input.attacher_ended(poller);
                }
                false
            }
        }
    }

    /// Takes the last input of attachers that have left, as far as the process takes it, and lets those
    /// go that have no more.
    pub(super) fn pump_leavers(&mut self, buffer: &mut [u8], poller: &Poller) {
        for index in 0..self.attachers.len() {
            while self.attachers[index].is_gone() && self.take_input(index, buffer, poller) {}
        }
        let input_alive = self.input.may_take();
        self.attachers.retain_mut(|attacher| {
            let keep = !attacher.is_gone() || (attacher.input_open && input_alive);
            if !keep {
                attacher.hang_up(poller);
            }
            keep
        });
    }
}
