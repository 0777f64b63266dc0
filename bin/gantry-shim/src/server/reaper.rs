//! The ends of processes: reaped, recorded, told. In this order, and the last only when the process's
//! output is in its log.

use super::{Server, earlier};
use crate::exits;
use crate::oom::OomWatch;
use crate::process::{Exit, Process, Stage};
use gantry_shim_protocol::event::{TaskExit, TaskOom};
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::rpc::Response;
use gantry_shim_protocol::task::WaitResponse;
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::time::Duration;

/// How long the end of the first process waits for the end of its output. A process outside the
/// container's pid namespace could hold a pipe open for ever.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

impl Server {
    /// Tells of processes that were killed for lack of memory.
    pub(crate) fn tell_oom(&mut self) {
        if self.oom.as_mut().is_some_and(OomWatch::take) {
            let event = TaskOom { container_id: self.identity.id.clone() };
            self.publisher.publish(&event, &mut self.poller);
        }
    }

    /// Takes note of every child that has ended. Orphans of the container come here too, and are
    /// reaped without a word.
    pub(crate) fn reap(&mut self) {
        // Several ends may share one signal; the children themselves are asked below.
        drop(gantry_sys::signalfd::drain(self.signals.get(), |_| {}));
        // Why it ended is told before its end.
        self.tell_oom();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            if let Some(index) = self.processes.iter().position(|process| is_alive(process, pid)) {
                self.note_end(
                    index,
                    Exit { pid, status: code(status), exited_at: gantry_sys::clock::now() },
                );
            }
        }
    }

    /// Writes an end down. It is told when the output is out.
    pub(crate) fn note_end(&mut self, index: usize, exit: Exit) {
        let process = &mut self.processes[index];
        let record = ExitRecord {
            id: self.identity.id.clone(),
            exec_id: process.exec_id.clone(),
            pid: exit.pid,
            status: exit.status,
            exited_at: exit.exited_at,
        };
        // A bundle on a full or vanished disk: those who wait are still told.
        drop(exits::append(&self.identity.bundle, &record));
        let patience = if process.is_init() { OUTPUT_PATIENCE } else { Duration::ZERO };
        process.stage = Stage::Ended { exit, patience: gantry_sys::clock::monotonic() + patience };
    }

    /// Looks after processes whose streams or ends need it; gives the time until the next.
    pub(super) fn tend_processes(&mut self, now: Duration) -> Option<Duration> {
        let mut next = None;
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            next = earlier(next, process.streams.check_stalls(now, &self.poller));
            if let Stage::Ended { patience, .. } = process.stage {
                if process.streams.output_ended() || patience <= now {
                    self.tell_end(index);
                } else {
                    next = earlier(next, Some(patience.saturating_sub(now)));
                }
            }
            let process = &mut self.processes[index];
            if matches!(process.stage, Stage::Exited(_)) && process.streams.output_ended() {
                process.streams.close(&self.poller);
            }
        }
        self.processes.retain(|process| !(process.deleted && process.streams.is_closed()));
        next
    }

    /// Tells everyone that a process has ended.
    pub(crate) fn tell_end(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let Stage::Ended { exit, .. } = process.stage else {
            return;
        };
        process.stage = Stage::Exited(exit);
        let waiters = std::mem::take(&mut process.waiters);
        let id = if process.is_init() { &self.identity.id } else { &process.exec_id };
        let event = TaskExit {
            container_id: self.identity.id.clone(),
            id: id.clone(),
            pid: exit.pid,
            exit_status: exit.status,
            exited_at: Some(exit.exited_at),
        };
        self.publisher.publish(&event, &mut self.poller);
        let response = Response::success(&wait_response(exit));
        for waiter in waiters {
            self.respond(waiter, &response);
        }
    }
}

pub(crate) fn wait_response(exit: Exit) -> WaitResponse {
    WaitResponse { exit_status: exit.status, exited_at: Some(exit.exited_at) }
}

fn is_alive(process: &Process, pid: u32) -> bool {
    matches!(&process.stage, Stage::Created(alive) | Stage::Running(alive) if alive.pid == pid)
}

/// The shell's number: the exit code, or 128 and the signal.
fn code(status: WaitStatus) -> u32 {
    let number = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    number.unsigned_abs() & 0xff
}
