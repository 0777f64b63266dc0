//! `POST /images/{name}/push`.

use gantry_engine::Engine;
use gantry_engine::image::{Compression, Platform, PushRequest, push, push_all};
use gantry_types::{ImageReference, InvalidReference};
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::registry_auth;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (reference, all) = named(&call.name, call.query.get("tag").filter(|tag| !tag.is_empty()))?;
    let request = PushRequest {
        reference,
        platform: call.query.get("platform").map(platform).transpose()?.flatten(),
        compression: compression(call.query.get("compression").unwrap_or_default())?,
        credentials: registry_auth::from_headers(&call.headers)?,
        is_insecure: false,
    };
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move {
        if all {
            push_all(&engine, request, sender).await
        } else {
            push(&engine, request, sender).await
        }
    };
    progress::reply(messages, WhenGone::Stop, work).await
}

/// What the path and `tag` name together; the flag says whether every tag is meant.
fn named(name: &str, tag: Option<&str>) -> Result<(ImageReference, bool), Error> {
    let invalid = |error: InvalidReference| Error::Invalid(error.to_string());
    let reference: ImageReference = name.parse().map_err(invalid)?;
    let names_one = name.rsplit('/').next().unwrap_or_default().contains([':', '@']);
    match tag {
        Some(tag) => Ok((reference.with_tag(tag).map_err(invalid)?, false)),
        None => Ok((reference, !names_one)),
    }
}

/// The platform as Docker's clients send it: an OCI platform in JSON.
fn platform(text: &str) -> Result<Option<Platform>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| Error::Invalid(format!("invalid platform {text:?}: {error}")))
}

fn compression(word: &str) -> Result<Compression, Error> {
    match word {
        "" | "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "none" => Ok(Compression::Plain),
        other => Err(Error::Invalid(format!(
            "unknown compression {other:?}: gzip, zstd and none are known"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_pushed() {
        let read = |name, tag| named(name, tag).map(|(name, all)| (name.familiar(), all));
        assert_eq!(read("r:5000/a", Some("1")).unwrap(), ("r:5000/a:1".to_owned(), false));
        assert_eq!(read("r:5000/a", None).unwrap(), ("r:5000/a:latest".to_owned(), true));
        assert_eq!(read("r:5000/a:2", None).unwrap(), ("r:5000/a:2".to_owned(), false));
        assert!(read("UPPER", None).is_err());
    }

    #[test]
    fn choices() {
        assert_eq!(compression("").unwrap(), Compression::Gzip);
        assert_eq!(compression("zstd").unwrap(), Compression::Zstd);
        assert!(compression("xz").is_err());
        let wanted = platform(r#"{"os":"linux","architecture":"arm64"}"#).unwrap().unwrap();
        assert_eq!(wanted.to_string(), "linux/arm64");
        assert!(platform("").unwrap().is_none() && platform("linux").is_err());
    }
}
