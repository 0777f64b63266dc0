//! `POST /images/{name}/push`.

use gantry_engine::Engine;
use gantry_engine::image::{PushRequest, push};
use gantry_types::ImageReference;
use tokio::sync::mpsc;

use super::progress::{self, WhenGone};
use crate::call::Call;
use crate::error::Error;
use crate::registry_auth;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let credentials = registry_auth::from_headers(&call.headers)?;
    let invalid = |error: gantry_types::InvalidReference| Error::Invalid(error.to_string());
    let name: ImageReference = call.name.parse().map_err(invalid)?;
    let reference = match call.query.get("tag").filter(|tag| !tag.is_empty()) {
        Some(tag) => name.with_tag(tag).map_err(invalid)?,
        None => name,
    };
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let request = PushRequest { reference, credentials };
    let work = async move { push(&engine, request, sender).await };
    progress::reply(messages, WhenGone::Stop, work).await
}
