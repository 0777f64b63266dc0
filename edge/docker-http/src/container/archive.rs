//! `HEAD`, `GET` and `PUT /containers/{name}/archive`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::container::ContainerPathStat;
use gantry_engine::Engine;
use gantry_engine::container::{CopyInOptions, PathStat, copy_in, copy_out, stat};
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

const STAT: HeaderName = HeaderName::from_static(ContainerPathStat::HEADER);

pub(crate) async fn handle_stat(engine: Engine, call: Call) -> Result<Reply, Error> {
    let stat = stat(&engine, &call.name, &call.query.text("path")).await?;
    with_stat(reply::empty(StatusCode::OK), stat)
}

pub(crate) async fn handle_get(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (stat, pieces) = copy_out(&engine, &call.name, &call.query.text("path")).await?;
    with_stat(reply::typed(StatusCode::OK, reply::TAR, ReplyBody::Archive(pieces)), stat)
}

pub(crate) async fn handle_put(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (name, path) = (call.name.clone(), call.query.text("path"));
    let options = CopyInOptions {
        kinds_stay: call.query.flag("noOverwriteDirNonDir"),
        to_user: call.query.flag("copyUIDGID"),
    };
    copy_in(&engine, &name, &path, options, call.archive()).await?;
    Ok(reply::empty(StatusCode::OK))
}

fn with_stat(mut reply: Reply, stat: PathStat) -> Result<Reply, Error> {
    let document = ContainerPathStat {
        name: stat.name,
        size: stat.size,
        mode: stat.mode,
        mtime: stat.modified.to_string(),
        link_target: stat.link_target,
    };
    let text = serde_json::to_vec(&document).map_err(|source| Error::Answer { source })?;
    // Base64 is always a header's value.
    if let Ok(value) = HeaderValue::from_str(&STANDARD.encode(text)) {
        reply.headers_mut().insert(STAT, value);
    }
    Ok(reply)
}
