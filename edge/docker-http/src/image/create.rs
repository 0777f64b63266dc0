//! `POST /images/create`: an image from an archive; from a registry not yet.

use gantry_api::image::ProgressMessage;
use gantry_engine::Engine;
use gantry_engine::image::{ImportRequest, import};
use gantry_types::ImageReference;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    if let Some(image) = call.query.get("fromImage") {
        return Err(no_pull(image, call.query.get("tag")));
    }
    let request = request(&call.query)?;
    let id = import(&engine, call.archive(), request).await?;
    reply::json(StatusCode::OK, &ProgressMessage::status("", id))
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

/// What a client is told that wants an image from a registry; `docker run` shows it after a create that found none.
fn no_pull(image: &str, tag: Option<&str>) -> Error {
    let text = match tag {
        None => image.to_owned(),
        // A digest can come as a tag.
        Some(digest) if digest.contains(':') => format!("{image}@{digest}"),
        Some(tag) => format!("{image}:{tag}"),
    };
    match text.parse::<ImageReference>() {
        Ok(reference) => Error::NoSuchObject(format!(
            "cannot pull {}: this version of Gantry does not talk to registries yet; bring the image with load or \
             import",
            reference.familiar()
        )),
        Err(error) => Error::Invalid(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_answered_in_words() {
        let text = |image, tag| no_pull(image, tag).to_string();
        assert!(
            text("docker.io/library/alpine", Some("3.20")).starts_with("cannot pull alpine:3.20: ")
        );
        assert!(text("alpine", None).contains("load or import"));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(text("r.io/a", Some(&digest)).contains("r.io/a@sha256:aaa"));
        assert!(text("UPPER", None).starts_with("invalid reference format"));
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
