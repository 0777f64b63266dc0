//! A thread that hears when somebody takes the table's chains, rules or sets out of the packet filter (`nft flush ruleset`, a firewall
//! that is loaded anew), and puts them back at once. What happens in the user's own chain is the user's business.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use gantry_netlink::nftables::{Loss, Losses};
use gantry_types::error_chain;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use crate::state::State;
use crate::{Error, Result, firewall};

/// It hears until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    end: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Hears of everything from now on, in the calling thread's network namespace.
    pub(crate) fn start(state: Arc<Mutex<State>>) -> Result<Self> {
        let failed =
            |source| Error::Host { action: "start to watch the packet filter's table", source };
        let losses = Losses::subscribe()?;
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| failed(errno.into()))?;
        let end = Arc::new(end);
        let ends = Arc::clone(&end);
        let thread = thread::Builder::new()
            .name("packet-filter".to_owned())
            .spawn(move || run(losses, &ends, &state))
            .map_err(failed)?;
        Ok(Self { end, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It fails only when the counter is full, and then it wakes already.
        rustix::io::write(&self.end, &1_u64.to_ne_bytes()).unwrap_or_default();
        // A panic there has told of itself.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn run(mut losses: Losses, end: &OwnedFd, state: &Mutex<State>) {
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(losses.as_fd(), PollFlags::IN),
            PollFd::new(end, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return give_up(&errno),
        }
        if !both[1].revents().is_empty() {
            return;
        }
        let put_back = losses.take().map_err(Error::from).and_then(|heard| {
            // What is put in is told as well, by every start of a container with ports.
            if heard.is_empty() {
                return Ok(());
            }
            let mut state = locked(state);
            if heard.iter().any(|loss| concerns(&mut state, loss)) {
                put_back(&mut state)?;
            }
            Ok(())
        });
        if let Err(error) = put_back {
            tracing::error!(
                error = error_chain(&error),
                "cannot put back the packet filter's table"
            );
        }
    }
}

fn give_up(error: &dyn std::error::Error) {
    tracing::error!(
        error = error_chain(error),
        "the packet filter's table is not watched any more"
    );
}

fn concerns(state: &mut State, loss: &Loss) -> bool {
    let Ok(own) = state.table() else { return false };
    match loss {
        Loss::Unknown => true,
        Loss::Of { chain: Some(chain), .. } if chain == firewall::USER => false,
        Loss::Of { table, by, .. } => {
            let mut is_ours =
                || state.netfilter().and_then(|it| Ok(it.number()?)).ok() == Some(*by);
            table == own.name() && !is_ours()
        }
    }
}

fn put_back(state: &mut State) -> Result<()> {
    let table = state.table()?;
    tracing::warn!(
        table = table.name(),
        "somebody took rules of the packet filter's table away: they are put back"
    );
    let rules = state.rules(&table);
    Ok(state.netfilter()?.commit(&rules)?)
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // As everywhere: what is changed under the lock is changed by whole steps.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
