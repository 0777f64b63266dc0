//! `POST /containers/{name}/resize`.

use gantry_engine::Engine;
use gantry_engine::container::{TerminalSize, resize};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    resize(&engine, &call.name, size(&call.query)?).await?;
    Ok(reply::empty(StatusCode::OK))
}

/// Height and width as the query has them; both are needed.
pub(crate) fn size(query: &Query) -> Result<TerminalSize, Error> {
    let needed = |name: &'static str| {
        let wanted = "it takes a number of rows or columns";
        query.number(name)?.ok_or_else(|| Error::Parameter { name, value: String::new(), wanted })
    };
    Ok(TerminalSize { rows: needed("h")?, columns: needed("w")? })
}
