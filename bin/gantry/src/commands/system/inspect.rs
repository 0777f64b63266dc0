//! `inspect`: everything about a container, an image or a network, whichever the name belongs to.

use gantry_client::Client;
use gantry_types::ErrorKind;
use serde_json::Value;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::json;
use crate::format::template::Template;
use crate::output;
use crate::session::Session;

/// Return low-level information on Gantry objects
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long, value_parser = kind)]
    r#type: Option<Kind>,
    #[arg(required = true, value_name = "NAME|ID", hide = true)]
    names: Vec<String>,
}

/// What a name can belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Image,
    Network,
    Plugin,
    Volume,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "container" => Ok(Kind::Container),
        "image" => Ok(Kind::Image),
        "network" => Ok(Kind::Network),
        "plugin" => Ok(Kind::Plugin),
        "volume" => Ok(Kind::Volume),
        "config" | "node" | "secret" | "service" | "task" => {
            Err(format!("objects of type {text} are not there yet"))
        }
        _ => Err("it takes container, image, network, plugin or volume".to_owned()),
    }
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] NAME|ID [NAME|ID...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown =
            Shown { kind: self.r#type, size: self.size, platform: "", format: &self.format };
        inspect(session, &shown, &self.names).await
    }
}

/// What is looked for, and how it is shown.
pub(crate) struct Shown<'a> {
    /// `None` tries each.
    pub(crate) kind: Option<Kind>,
    pub(crate) size: bool,
    /// Of an image; empty for any.
    pub(crate) platform: &'a str,
    pub(crate) format: &'a str,
}

/// Shows what is found, and then tells what is not.
pub(crate) async fn inspect(
    session: &Session,
    shown: &Shown<'_>,
    names: &[String],
) -> Result<u8, Error> {
    let template = match shown.format {
        "" | "json" => None,
        text => Some(Template::parse(text)?),
    };
    let client = session.connect().await?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match look(&client, shown, name).await {
            Ok(document) => found.push(document),
            Err(error) => failures.push(error.report()),
        }
    }
    output::print(&render(&found, template.as_ref(), shown.format)?)?;
    for failure in &failures {
        output::remark(failure);
    }
    if failures.is_empty() { Ok(0) } else { Err(Error::Reported) }
}

/// The document as the daemon wrote it.
async fn look(client: &Client, shown: &Shown<'_>, name: &str) -> Result<String, Error> {
    if let Some(kind) = shown.kind {
        return Ok(look_for(client, kind, shown, name).await?);
    }
    for kind in [Kind::Container, Kind::Image, Kind::Network, Kind::Volume, Kind::Plugin] {
        match look_for(client, kind, shown, name).await {
            Err(error) if is_miss(&error) => {}
            result => return Ok(result?),
        }
    }
    Err(Error::refused(format!("Error: No such object: {name}")))
}

async fn look_for(
    client: &Client,
    kind: Kind,
    shown: &Shown<'_>,
    name: &str,
) -> gantry_client::Result<String> {
    match kind {
        Kind::Container => client.container_inspect_raw(name, shown.size).await,
        Kind::Image => client.image_inspect_raw(name, shown.platform).await,
        Kind::Network => client.network_inspect_raw(name).await,
        Kind::Plugin => client.plugin_inspect_raw(name).await,
        Kind::Volume => client.volume_inspect_raw(name).await,
    }
}

/// A name that cannot be a container's can still be an image's.
fn is_miss(error: &gantry_client::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidParameter)
}

fn render(found: &[String], template: Option<&Template>, format: &str) -> Result<String, Error> {
    if let Some(template) = template {
        let mut text = String::new();
        for document in found {
            let document: Value = serde_json::from_str(document)?;
            text.push_str(&template.render(&document)?);
            text.push('\n');
        }
        return Ok(text);
    }
    let list = format!("[{}]", found.iter().map(|text| text.trim()).collect::<Vec<_>>().join(","));
    Ok(if format == "json" { list } else { json::indented(&list) } + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_shown() {
        let found = [r#"{"Id":"a","State":{"Status":"running"}}"#.to_owned()];
        assert_eq!(
            render(&found, None, "").unwrap(),
            "[\n    {\n        \"Id\": \"a\",\n        \"State\": {\n            \"Status\": \"running\"\n        }\n    }\n]\n"
        );
        assert_eq!(render(&[], None, "").unwrap(), "[]\n");
        assert!(render(&found, None, "json").unwrap().starts_with("[{\"Id\":\"a\""));
        let template = Template::parse("{{.State.Status}}").unwrap();
        assert_eq!(render(&found, Some(&template), "").unwrap(), "running\n");
    }

    #[test]
    fn kinds() {
        assert_eq!(kind("image"), Ok(Kind::Image));
        assert_eq!(kind("volume"), Ok(Kind::Volume));
        assert!(kind("thing").is_err());
    }
}
