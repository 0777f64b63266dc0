//! `POST /commit`.

use gantry_api::container::{CommitResponse, Config};
use gantry_engine::Engine;
use gantry_engine::container::{CommitRequest, commit};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let container = call.query.text("container");
    let mut request = request(&call.query);
    // Clients that have nothing to say send `null`, an empty document, or nothing.
    request.config = call.json::<Option<Config>>().await?;
    let id = commit(&engine, &container, request).await?;
    reply::json(StatusCode::CREATED, &CommitResponse { id })
}

fn request(query: &Query) -> CommitRequest {
    CommitRequest {
        repository: query.text("repo"),
        tag: query.text("tag"),
        author: query.text("author"),
        message: query.text("comment"),
        pause: query.flag_or("pause", true),
        changes: query.all("changes"),
        config: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pauses_unless_told_not_to() {
        let read = |text: &str| request(&Query::parse(text).unwrap());
        for (text, pause) in [("", true), ("pause=", true), ("pause=1", true), ("pause=0", false)] {
            assert_eq!(read(text).pause, pause, "{text}");
        }
        let request = read("repo=a&tag=b&author=me&comment=why&changes=CMD%20x&changes=ENV%20y");
        assert_eq!((request.repository.as_str(), request.tag.as_str()), ("a", "b"));
        assert_eq!((request.author.as_str(), request.message.as_str()), ("me", "why"));
        assert_eq!(request.changes, ["CMD x", "ENV y"]);
    }
}
