//! What the daemon tells of containers, over one life of its own: heard from its first event on, and compared with what there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use super::api::{Answer, Api};
use super::container::until;

/// One listener.
pub(crate) struct Ear {
    heard: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

/// What was heard of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub actions: Vec<String>,
    /// The exit codes of its ends.
    pub codes: Vec<i64>,
}

impl Ear {
    /// Hears everything since the daemon's start, until it ends.
    pub(crate) fn open(api: &Api) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (into, api) = (Arc::clone(&heard), api.clone());
        let thread = std::thread::spawn(move || {
            api.stream("/events?since=0.000000001", &mut |bytes| {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            });
        });
        Self { heard, thread }
    }

    /// Everything that happened before this call is heard.
    pub(crate) fn catch_up(&self, api: &Api, mark: &str) -> Answer<()> {
        let body = serde_json::json!({"Name": mark});
        api.send("/volumes/create", &body, &[201])?;
        api.delete(&format!("/volumes/{mark}"), &[204])?;
        until("the events to be heard", || {
            let events = self.events()?;
            let is_mark =
                |event: &Value| event["Action"] == "destroy" && event["Actor"]["ID"] == mark;
            Ok(events.iter().any(is_mark).then_some(()))
        })
    }

    /// Waits for its end, when the daemon is dead.
    pub(crate) fn close(self) -> Result<BTreeMap<String, Story>, String> {
        drop(self.thread.join());
        stories(&Self::parse(&self.heard)?)
    }

    pub(crate) fn stories(&self) -> Result<BTreeMap<String, Story>, String> {
        stories(&self.events()?)
    }

    fn events(&self) -> Result<Vec<Value>, String> {
        Self::parse(&self.heard)
    }

    fn parse(heard: &Mutex<Vec<u8>>) -> Result<Vec<Value>, String> {
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = heard.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = heard[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let parsed = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        parsed.map_err(|error| format!("an event that is no JSON: {error}"))
    }
}

/// What happened to each container, if it can have happened in this order.
fn stories(events: &[Value]) -> Result<BTreeMap<String, Story>, String> {
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    let mut last = 0;
    for event in events {
        let time = event["timeNano"].as_i64().unwrap_or_default();
        if time <= last {
            return Err(format!("an event at no moment of its own: {event}"));
        }
        last = time;
        let action = event["Action"].as_str().unwrap_or_default();
        if event["Type"] != "container" || action.starts_with("exec_") {
            continue;
        }
        let story = stories
            .entry(event["Actor"]["ID"].as_str().unwrap_or_default().to_owned())
            .or_default();
        story.actions.push(action.to_owned());
        if action == "die" {
            let code = event["Actor"]["Attributes"]["exitCode"]
                .as_str()
                .and_then(|text| text.parse().ok());
            story.codes.push(code.ok_or_else(|| format!("an end without a code: {event}"))?);
        }
    }
    for (id, story) in &stories {
        story.check().map_err(|wrong| format!("{id}: {wrong}: {:?}", story.actions))?;
    }
    Ok(stories)
}

impl Story {
    /// Whether it can have happened so, whatever was before.
    fn check(&self) -> Result<(), &'static str> {
        let mut runs = None;
        for (at, action) in self.actions.iter().enumerate() {
            match action.as_str() {
                "create" if at > 0 => return Err("created in the middle of its life"),
                "start" if runs == Some(true) => return Err("started twice"),
                "start" => runs = Some(true),
                "die" if runs == Some(false) => return Err("ended without having run"),
                "create" | "die" => runs = Some(false),
                "destroy" if runs == Some(true) => return Err("removed while it runs"),
                "destroy" if at + 1 < self.actions.len() => return Err("something after its end"),
                "pause" | "unpause" if runs == Some(false) => {
                    return Err("held while it does not run");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it runs now, as far as that was told.
    pub(crate) fn runs(&self) -> Option<bool> {
        self.actions.iter().rev().find_map(|action| match action.as_str() {
            "start" => Some(true),
            "die" | "destroy" | "create" => Some(false),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_have_happened_is_found() {
        let check = |words: &str| {
            let actions = words.split(' ').map(str::to_owned).collect();
            Story { actions, codes: Vec::new() }.check().is_ok()
        };
        for good in [
            "create start kill die start die destroy",
            "die start",
            "start die",
            "pause unpause die destroy",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "start start",
            "die die",
            "create die",
            "start create",
            "start destroy",
            "create destroy start",
            "die pause",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }
}
