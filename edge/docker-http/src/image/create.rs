//! `POST /images/create`: an image from a registry, or from an archive.

use gantry_api::image::ProgressMessage;
use gantry_engine::Engine;
use gantry_engine::image::{ImportRequest, PullRequest, import, pull, pull_all};
use gantry_types::{ImageReference, InvalidReference};
use hyper::StatusCode;
use tokio::sync::mpsc;

use super::progress::{self, WhenGone};
use crate::call::Call;
use crate::error::Error;
use crate::query::Query;
use crate::registry_auth;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    if let Some(image) = call.query.get("fromImage").map(str::to_owned) {
        return pulled(engine, &image, &call).await;
    }
    let request = request(&call.query)?;
    let id = import(&engine, call.archive(), request).await?;
    reply::json(StatusCode::OK, &ProgressMessage::status("", id))
}

async fn pulled(engine: Engine, image: &str, call: &Call) -> Result<Reply, Error> {
    let (reference, all) = named(image, call.query.get("tag").filter(|tag| !tag.is_empty()))?;
    let request = PullRequest {
        reference,
        platform: call.query.get("platform").map(str::to_owned),
        credentials: registry_auth::from_headers(&call.headers)?,
    };
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move {
        if all {
            pull_all(&engine, request, sender).await
        } else {
            pull(&engine, request, sender).await
        }
    };
    progress::reply(messages, WhenGone::Stop, work).await
}

fn request(query: &Query) -> Result<ImportRequest, Error> {
    match query.get("fromSrc") {
        Some("-") => {}
        None => {
            let text = "nothing to make an image of: say fromSrc=- and send an archive";
            return Err(Error::Invalid(text.to_owned()));
        }
        Some(source) => {
            return Err(Error::Invalid(format!(
                "importing from {source:?} is not there yet in this version of Gantry: download the archive and import \
                 it from standard input"
            )));
        }
    }
    Ok(ImportRequest {
        repository: query.text("repo"),
        tag: query.text("tag"),
        message: query.get("message").unwrap_or("Imported from -").to_owned(),
        changes: query.all("changes"),
        platform: query.get("platform").map(str::to_owned),
    })
}

/// What `fromImage` and `tag` name together; the flag says whether every tag is meant.
fn named(image: &str, tag: Option<&str>) -> Result<(ImageReference, bool), Error> {
    let text = match tag {
        None => image.to_owned(),
        // A digest can come as a tag.
        Some(digest) if digest.contains(':') => format!("{image}@{digest}"),
        Some(tag) => format!("{image}:{tag}"),
    };
    let reference: ImageReference =
        text.parse().map_err(|error: InvalidReference| Error::Invalid(error.to_string()))?;
    let last = text.rsplit('/').next().unwrap_or_default();
    Ok((reference, !last.contains([':', '@'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_pulled() {
        let read = |image, tag| named(image, tag).map(|(name, all)| (name.familiar(), all));
        assert_eq!(read("alpine", Some("3.20")).unwrap(), ("alpine:3.20".to_owned(), false));
        assert_eq!(read("r.io:5000/a", None).unwrap(), ("r.io:5000/a:latest".to_owned(), true));
        assert_eq!(read("r.io:5000/a:b", None).unwrap(), ("r.io:5000/a:b".to_owned(), false));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(read("a", Some(&digest)).unwrap(), (format!("a@{digest}"), false));
        assert!(read("UPPER", None).is_err());
    }

    #[test]
    fn imports() {
        let read = |text: &str| request(&Query::parse(text).unwrap());
        let import = read("fromSrc=-&repo=a&tag=b&changes=CMD%20x&changes=ENV%20y").unwrap();
        assert_eq!((import.repository.as_str(), import.tag.as_str()), ("a", "b"));
        assert_eq!(import.changes, ["CMD x", "ENV y"]);
        assert_eq!(import.message, "Imported from -");
        assert!(read("fromSrc=http://x/y.tar").is_err() && read("").is_err());
    }
}
