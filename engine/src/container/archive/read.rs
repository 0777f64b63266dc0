//! Files out of a container, and what is at a path of it.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::place::{self, Path, PathStat};
use super::{ids, root, stopped};
use crate::archive_stream::{self, Pieces};
use crate::container::announce;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::{ContainerRecord, State};
use crate::{Result, blocking};

/// What is at a path in a container.
pub async fn stat(engine: &Engine, container: &str, path: &str) -> Result<PathStat> {
    let work = Reading::new(engine, container, path)?;
    let (done, answer) = tokio::sync::oneshot::channel();
    // Not a thread that others use afterwards: it may get a mount namespace of its own.
    blocking::thread("container-stat", move || {
        let stat = work.with_root(|root| Ok(work.find(root)?.1));
        drop(done.send(stat));
    })?;
    answer.await.map_err(|_| Error::ShuttingDown)?
}

/// An archive of what is at a path in a container, piece by piece. A failure after the first piece is the last one.
pub async fn copy_out(engine: &Engine, container: &str, path: &str) -> Result<(PathStat, Pieces)> {
    let work = Reading::new(engine, container, path)?;
    let record = Arc::clone(&work.record);
    let (tell, stat) = tokio::sync::oneshot::channel();
    let pieces = archive_stream::start("container-copy", move |opening| {
        work.with_root(|root| {
            let (found, stat) = work.find(root)?;
            drop(tell.send(stat));
            let name = work.path.archive_name();
            let output = opening.begin();
            // What the kernel shows there is no file of the container's.
            let hollow = ["/dev", "/proc", "/sys"].map(|path| path.as_bytes().to_vec()).into();
            let create = |output: &mut dyn Write| {
                gantry_archive::create_entry(found.dir.as_fd(), &found.name, name, &hollow, output)
                    .map(drop)
            };
            let created = match &work.record.plan.user_namespace {
                Some(namespace) => {
                    ids::out_of_container(namespace, output, |mut plain| create(&mut plain))
                }
                None => create(&mut { output }),
            };
            created.map_err(|source| Error::Copy { container: work.record.id.to_string(), source })
        })
    })
    .await?;
    let stat = stat.await.map_err(|_| Error::ShuttingDown)?;
    announce::tell(engine, &record, "archive-path");
    Ok((stat, pieces))
}

struct Reading {
    engine: Engine,
    /// As the user called it.
    container: String,
    record: Arc<ContainerRecord>,
    text: String,
    path: Path,
}

impl Reading {
    fn new(engine: &Engine, container: &str, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::invalid("bad parameter: 'path' cannot be empty"));
        }
        if path.contains('\0') {
            return Err(Error::invalid("invalid path: it has a NUL byte in it"));
        }
        Ok(Self {
            engine: engine.clone(),
            container: container.to_owned(),
            record: engine.snapshot(container)?.record,
            text: path.to_owned(),
            path: Path::parse(path),
        })
    }

    /// Does `work` with the container's root. Only for a thread that ends afterwards.
    fn with_root<T: Send>(&self, work: impl FnOnce(&OwnedFd) -> Result<T> + Send) -> Result<T> {
        if let State::Running { pid, .. } = self.record.state {
            return work(&root::of_process(&self.record, pid, &self.container)?);
        }
        stopped::with_files(&self.engine, &self.record, false, work)
    }

    fn find(&self, root: &OwnedFd) -> Result<(place::Found, PathStat)> {
        let found = place::find(root.as_fd(), &self.path).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
                Error::NoSuchFile { path: self.text.clone(), container: self.container.clone() }
            }
            error => Error::file("look at", &self.text)(error.into()),
        })?;
        let stat = place::describe(root.as_fd(), &self.path, &found);
        Ok((found, stat))
    }
}
