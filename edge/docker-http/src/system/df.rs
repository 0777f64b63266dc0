//! `GET /system/df`.

use gantry_engine::Engine;
use gantry_engine::system::{DiskUsageOptions, df};

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let kinds = compat::upgrade_df(call.version, call.query.all("type"));
    let usage = df(&engine, DiskUsageOptions::named(&kinds)?).await?;
    let verbose = call.query.get("verbose").map(|_| call.query.flag("verbose"));
    compat::disk_usage(call.version, verbose, &usage)
}
