//! What came of a case, and its way to and from JSON.

use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// The reason, one line.
    Fail(String),
    /// The machine cannot show it; the reason.
    Skip(String),
}

/// All verdicts on one runtime on one machine.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    pub(crate) runtime: String,
    pub(crate) version: String,
    /// The minor version of the specification that the runtime says it follows.
    pub(crate) spec: u32,
    pub(crate) machine: String,
    /// By the case's name.
    pub(crate) verdicts: Vec<(String, Verdict)>,
}

impl Results {
    pub(crate) fn verdict(&self, name: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|(known, _)| known == name).map(|(_, verdict)| verdict)
    }

    pub(crate) fn count(&self, kind: fn(&Verdict) -> bool) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| kind(verdict)).count()
    }

    pub(crate) fn to_json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .map(|(name, verdict)| match verdict {
                Verdict::Pass => json!([name, "pass", ""]),
                Verdict::Fail(reason) => json!([name, "fail", reason]),
                Verdict::Skip(reason) => json!([name, "skip", reason]),
            })
            .collect();
        json!({
            "runtime": self.runtime, "version": self.version, "spec": self.spec,
            "machine": self.machine, "verdicts": verdicts,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let verdict = |entry: &Value| {
            let reason = entry[2].as_str()?.to_owned();
            let verdict = match entry[1].as_str()? {
                "pass" => Verdict::Pass,
                "fail" => Verdict::Fail(reason),
                _ => Verdict::Skip(reason),
            };
            Some((entry[0].as_str()?.to_owned(), verdict))
        };
        Some(Self {
            runtime: text("runtime")?,
            version: text("version")?,
            spec: value["spec"].as_u64()?.try_into().ok()?,
            machine: text("machine")?,
            verdicts: value["verdicts"].as_array()?.iter().filter_map(verdict).collect(),
        })
    }
}
