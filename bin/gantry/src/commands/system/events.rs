//! `events`: what happens at the daemon, as it happens.

use gantry_api::system::EventMessage;
use gantry_sys::clock;
use gantry_types::{Filters, Timestamp};
use serde_json::{Value, json};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::template::Template;
use crate::format::time::moment;
use crate::output;
use crate::session::Session;

/// Get real time events from the server
#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'json' or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Show all events created since timestamp
    #[arg(long)]
    since: Option<String>,
    /// Stream events until this timestamp
    #[arg(long)]
    until: Option<String>,
}

/// How a line looks.
enum Form {
    Words,
    Json,
    Template(Template),
}

impl Verb for Events {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let form = match self.format.as_str() {
            "" => Form::Words,
            "json" => Form::Json,
            text => Form::Template(Template::parse(text)?),
        };
        let filters: Filters = self.filter.into_iter().collect();
        let now = clock::now();
        let [since, until] = [self.since, self.until].map(|text| text.map(|t| moment(&t, now)));
        let client = session.connect().await?;
        let mut events = client.events(since.as_deref(), until.as_deref(), &filters).await?;
        while let Some(line) = events.next().await? {
            if let Some(reason) = line.pointer("/errorDetail/message").and_then(Value::as_str) {
                return Err(Error::refused(reason));
            }
            let event: EventMessage = serde_json::from_value(line.clone())
                .map_err(|error| Error::refused(format!("the daemon sent no event: {error}")))?;
            let text = match &form {
                Form::Words => words(&event),
                Form::Json => line.to_string(),
                Form::Template(template) => template.render(&document(&event))?,
            };
            output::line(&text)?;
        }
        Ok(0)
    }
}

/// `2024-02-29T12:34:56.000000000Z container start 0123 (image=busybox, name=web)`. An image and a container have a say
/// in this; none of it may steer the terminal.
fn words(event: &EventMessage) -> String {
    let EventMessage { kind, action, actor, .. } = event;
    let mut text = format!("{} {kind} {action} {}", at(event).to_fixed_string(), actor.id);
    if !actor.attributes.is_empty() {
        let pairs: Vec<_> =
            actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text = format!("{text} ({})", pairs.join(", "));
    }
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn at(event: &EventMessage) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let nanos = u32::try_from(event.time_nano.rem_euclid(SECOND)).unwrap_or_default();
    Timestamp { seconds: event.time_nano.div_euclid(SECOND), nanos }
}

/// What a template sees.
fn document(event: &EventMessage) -> Value {
    json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": event.actor,
        "Status": event.action,
        "ID": event.actor.id,
        "From": event.actor.attributes.get("image").cloned().unwrap_or_default(),
        "Scope": event.scope,
        "Time": event.time,
        "TimeNano": event.time_nano,
    })
}

#[cfg(test)]
mod tests {
    use gantry_api::system::EventActor;

    use super::*;

    #[test]
    fn lines_as_docker_writes_them() {
        let attributes = [("image", "busybox"), ("name", "web\u{1b}[2J\n")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let event = EventMessage {
            kind: "container".into(),
            action: "start".into(),
            actor: EventActor { id: "0123".into(), attributes },
            time_nano: 1_709_210_096_000_000_007,
            ..EventMessage::default()
        };
        assert_eq!(
            words(&event),
            "2024-02-29T12:34:56.000000007Z container start 0123 (image=busybox, name=web?[2J?)"
        );
        let template = Template::parse("{{.Type}} {{.From}} {{.Actor.Attributes.name}}").unwrap();
        let rendered = template.render(&document(&event)).unwrap();
        assert_eq!(rendered, "container busybox web\u{1b}[2J\n");
    }
}
