//! One container of a client's: what it must be like, and what was under way when the daemon was killed. What is not known
//! then is looked up, must be one of the two things that it can be, and is done once more.

use std::time::Duration;

use gantry_testkit::poll_for;
use serde_json::{Value, json};

use super::api::{Answer, Api, Trouble};
use super::lines::{self, COUNTER, Run};

/// How long anything may take to become what it must be.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Counts until it is stopped, and has a volume.
    Keeper,
    /// The same, and starts again whenever it ends by itself.
    Phoenix,
    /// Is well or sick, as a file in it says.
    Patient,
    /// Says so many lines and ends with this code.
    Finite { lines: u32, code: i64 },
    /// Ends at once, and is started so often again.
    Failing { most: i64 },
    /// Ends at once, and is gone then.
    Brief,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Created,
    Running,
    Paused,
    Exited(i64),
}

/// What somebody does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Create,
    Start,
    Stop,
    Kill,
    Restart,
    Pause,
    Unpause,
    Remove,
    /// Its first process is asked to end, from within.
    Provoke,
    Sicken(bool),
    Rename,
}

#[derive(Debug)]
pub(crate) struct Container {
    pub kind: Kind,
    pub names: [String; 2],
    /// Which of its names it has.
    pub named: usize,
    pub id: String,
    pub network: String,
    pub state: State,
    /// What was under way at the last kill.
    pub doubt: Option<Deed>,
    /// Starts that were answered.
    pub runs: usize,
    /// Those that may have been broken off, and may have left lines.
    pub broken: usize,
    pub provoked: usize,
    pub sick: bool,
}

impl Container {
    pub(crate) fn new(kind: Kind, name: &str, network: &str) -> Self {
        Self {
            kind,
            names: [name.to_owned(), format!("{name}-other")],
            named: 0,
            id: String::new(),
            network: network.to_owned(),
            state: State::Absent,
            doubt: None,
            runs: 0,
            broken: 0,
            provoked: 0,
            sick: false,
        }
    }

    /// Whether it ends by itself.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.kind, Kind::Finite { .. } | Kind::Failing { .. } | Kind::Brief)
    }

    /// Does something; what was not answered stays in doubt.
    pub(crate) fn act(&mut self, api: &Api, deed: Deed) -> Answer<()> {
        self.doubt = Some(deed);
        self.perform(api, deed)?;
        self.doubt = None;
        Ok(())
    }

    fn perform(&mut self, api: &Api, deed: Deed) -> Answer<()> {
        let at = |verb: &str| format!("/containers/{}/{verb}", self.id);
        match deed {
            Deed::Create => {
                let target = format!("/containers/create?name={}", self.names[0]);
                let made = api.send(&target, &self.request(), &[201])?;
                made["Id"].as_str().unwrap_or_default().clone_into(&mut self.id);
                (self.state, self.named, self.sick) = (State::Created, 0, false);
                (self.runs, self.broken, self.provoked) = (0, 0, 0);
            }
            Deed::Start => {
                api.post(&at("start"), &[204])?;
                (self.state, self.runs) = (State::Running, self.runs + 1);
            }
            Deed::Stop => {
                api.post(&at("stop?t=20"), &[204])?;
                self.state = State::Exited(7);
            }
            Deed::Kill => {
                api.post(&at("kill"), &[204])?;
                self.state = State::Exited(137);
            }
            Deed::Restart => {
                api.post(&at("restart?t=20"), &[204])?;
                (self.state, self.runs) = (State::Running, self.runs + 1);
            }
            Deed::Pause => {
                api.post(&at("pause"), &[204])?;
                self.state = State::Paused;
            }
            Deed::Unpause => {
                api.post(&at("unpause"), &[204])?;
                self.state = State::Running;
            }
            Deed::Remove => {
                api.delete(&format!("/containers/{}?force=1", self.id), &[204])?;
                self.state = State::Absent;
            }
            Deed::Provoke => {
                match api.exec(&self.id, &["kill", "-TERM", "1"]) {
                    // The one that a kill of the daemon cut off has come through only now.
                    Err(Trouble::Wrong(text)) if text.contains("is restarting") => {}
                    done => self.provoked += usize::from(done.map(|_| true)?),
                }
            }
            Deed::Sicken(sick) => {
                let command = if sick { ["touch", "/sick"] } else { ["rm", "/sick"] };
                api.exec(&self.id, &command)?;
                self.sick = sick;
            }
            Deed::Rename => {
                let other = 1 - self.named;
                api.post(&format!("{}?name={}", at("rename"), self.names[other]), &[204])?;
                self.named = other;
            }
        }
        Ok(())
    }

    fn request(&self) -> Value {
        let script = match self.kind {
            Kind::Keeper | Kind::Phoenix => COUNTER.to_owned(),
            Kind::Patient => "trap 'exit 7' TERM; while :; do sleep 0.2; done".to_owned(),
            Kind::Finite { lines, code } => {
                format!(
                    "i=0; echo run; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; [ $((i%20)) = 0 ] && sleep 0.02; done; exit {code}"
                )
            }
            Kind::Failing { .. } => "echo run; echo 1; exit 3".to_owned(),
            Kind::Brief => "sleep 0.02".to_owned(),
        };
        let policy = match self.kind {
            Kind::Phoenix => json!({"Name": "always"}),
            Kind::Failing { most } => json!({"Name": "on-failure", "MaximumRetryCount": most}),
            _ => json!({}),
        };
        let mut host = json!({"NetworkMode": self.network, "RestartPolicy": policy, "AutoRemove": self.kind == Kind::Brief});
        if let Kind::Keeper | Kind::Phoenix = self.kind {
            host["Binds"] = json!([format!("{}-data:/v", self.names[0])]);
        }
        let mut request =
            json!({"Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": host});
        if self.kind == Kind::Patient {
            let moment = 200_000_000;
            request["Healthcheck"] = json!({"Test": ["CMD-SHELL", "test ! -e /sick"], "Interval": moment, "Timeout": 5_000_000_000_i64, "Retries": 1});
        }
        request
    }

    /// Waits until the present run has said its first word: a signal before that would find nobody who listens.
    pub(crate) fn await_word(&self, api: &Api) -> Answer<()> {
        if self.state != State::Running || !matches!(self.kind, Kind::Keeper | Kind::Phoenix) {
            return Ok(());
        }
        let least = self.runs + if self.kind == Kind::Phoenix { self.provoked } else { 0 };
        until("a run to say its first word", || {
            let runs = lines::runs(&api.log(&self.id)?)?;
            let speaks = runs.len() >= least && runs.last().is_some_and(|run| !run.ended);
            if !speaks || self.kind != Kind::Phoenix {
                return Ok(speaks.then_some(()));
            }
            // A run that was broken off may have spoken, too.
            let it = api.look(&format!("/containers/{}/json", self.id))?.unwrap_or_default();
            let ended = runs.iter().filter(|run| run.ended).count();
            let is_new = it["RestartCount"].as_i64() == i64::try_from(ended).ok();
            Ok((it["State"]["Status"] == "running" && is_new).then_some(()))
        })
    }

    /// After a start of the daemon: it is what it must be, and what was in doubt is done once more.
    pub(crate) fn verify(&mut self, api: &Api) -> Answer<()> {
        if let Some(deed) = self.doubt {
            self.find(api)?;
            self.settle(api, deed)?;
            self.doubt = None;
        }
        self.check(api)
    }

    /// What became of it: its id, when the answer to its creation did not come.
    fn find(&mut self, api: &Api) -> Answer<()> {
        let name = if self.doubt == Some(Deed::Create) { &self.names[0] } else { &self.id };
        let found = api.look(&format!("/containers/{name}/json"))?;
        match (&found, self.doubt) {
            (None, Some(Deed::Create | Deed::Remove)) => self.state = State::Absent,
            // It is gone as soon as it has ended, and it may have started.
            (None, Some(Deed::Start)) if self.kind == Kind::Brief => self.state = State::Absent,
            (None, _) => return Err(Trouble::Wrong(format!("{name} is gone"))),
            (Some(it), Some(Deed::Create)) => {
                it["Id"].as_str().unwrap_or_default().clone_into(&mut self.id);
                (self.state, self.named, self.sick) = (State::Created, 0, false);
                (self.runs, self.broken, self.provoked) = (0, 0, 0);
            }
            (Some(_), _) => {}
        }
        Ok(())
    }

    /// Does what was in doubt once more: it must succeed, or be done already.
    fn settle(&mut self, api: &Api, deed: Deed) -> Answer<()> {
        let at = |verb: &str| format!("/containers/{}/{verb}", self.id);
        if self.state == State::Absent {
            return Ok(());
        }
        match deed {
            Deed::Start => {
                let running = api.post(&at("start"), &[204, 304, 404])?.status;
                if running == 404 && self.kind != Kind::Brief {
                    return Err(Trouble::Wrong(format!("{} went with its start", self.names[0])));
                }
                (self.state, self.runs, self.broken) =
                    (State::Running, self.runs + 1, self.broken + 1);
            }
            Deed::Stop | Deed::Kill => {
                let target = if deed == Deed::Stop { at("stop?t=20") } else { at("kill") };
                api.post(&target, &[204, 304, 409])?;
                self.state = self.exited(api, &[7, 137][usize::from(deed == Deed::Kill)..])?;
            }
            Deed::Restart => {
                api.post(&at("restart?t=20"), &[204])?;
                (self.state, self.runs, self.broken) =
                    (State::Running, self.runs + 1, self.broken + 2);
            }
            Deed::Pause => {
                api.post(&at("pause"), &[204, 409])?;
                self.state = State::Paused;
            }
            Deed::Unpause => {
                api.post(&at("unpause"), &[204, 409])?;
                self.state = State::Running;
            }
            Deed::Remove => {
                api.delete(&format!("/containers/{}?force=1", self.id), &[204])?;
                self.state = State::Absent;
            }
            // How often it ended, its log tells.
            Deed::Create | Deed::Provoke => {}
            Deed::Sicken(sick) => {
                let command: &[&str] =
                    if sick { &["touch", "/sick"] } else { &["rm", "-f", "/sick"] };
                api.exec(&self.id, command)?;
                self.sick = sick;
            }
            Deed::Rename => {
                let it = api.look(&at("json"))?.unwrap_or_default();
                let name =
                    it["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
                let found = self.names.iter().position(|own| *own == name);
                self.named = found.ok_or_else(|| format!("{name} is none of {:?}", self.names))?;
            }
        }
        Ok(())
    }

    fn exited(&self, api: &Api, codes: &[i64]) -> Answer<State> {
        let it = api.look(&format!("/containers/{}/json", self.id))?.unwrap_or_default();
        let state = &it["State"];
        match state["ExitCode"].as_i64().filter(|code| codes.contains(code)) {
            Some(code) if state["Status"] == "exited" => Ok(State::Exited(code)),
            _ => Err(Trouble::Wrong(format!(
                "{} should have ended with one of {codes:?}: {state}",
                self.names[0]
            ))),
        }
    }

    /// Its state, exit code, restart count, health and log are what they must be.
    fn check(&mut self, api: &Api) -> Answer<()> {
        if self.state == State::Absent {
            let name = &self.names[self.named];
            return until("it to be gone", || {
                Ok(api.look(&format!("/containers/{name}/json"))?.is_none().then_some(()))
            });
        }
        let mut last = Value::Null;
        let good = poll_for(PATIENCE, || match self.is_right(api) {
            Ok((true, _)) => Some(Ok(())),
            Ok((false, seen)) => {
                last = seen;
                None
            }
            Err(trouble) => Some(Err(trouble)),
        });
        good.unwrap_or_else(|| Err(Trouble::Wrong(format!("it is not what it must be: {last}"))))
            .map_err(|trouble| match trouble {
                Trouble::Wrong(text) => Trouble::Wrong(format!("{self:?}: {text}")),
                Trouble::Cut => Trouble::Cut,
            })
    }

    fn is_right(&mut self, api: &Api) -> Answer<(bool, Value)> {
        let Some(it) = api.look(&format!("/containers/{}/json", self.id))? else {
            if self.kind == Kind::Brief {
                self.state = State::Absent;
                return Ok((true, Value::Null));
            }
            return Err(Trouble::Wrong("it is gone".to_owned()));
        };
        if self.kind == Kind::Brief && self.state == State::Running {
            // Its log goes with it, at any moment.
            return Ok((false, it["State"].clone()));
        }
        let (state, restarts) = (&it["State"], it["RestartCount"].as_i64().unwrap_or(-1));
        let status = state["Status"].as_str().unwrap_or_default();
        let code = state["ExitCode"].as_i64().unwrap_or(-1);
        let ended = |wanted| status == "exited" && code == wanted;
        let runs = lines::runs(&api.log(&self.id)?)?;
        let finished = runs.iter().filter(|run| run.ended).count();
        let seen = json!([state, restarts, format!("{runs:?}")]);
        let right = match (self.kind, self.state) {
            (_, State::Absent) => false,
            (_, State::Created) => status == "created" && runs.len() <= self.broken,
            (Kind::Keeper, _) => {
                let bounds = (self.runs..=self.runs + self.broken).contains(&runs.len());
                bounds
                    && self.is_told(status, code)
                    && (self.state != State::Exited(7) || runs.last().is_some_and(|run| run.ended))
            }
            (Kind::Phoenix, _) => {
                self.provoked = finished;
                status == "running"
                    && Ok(finished) == usize::try_from(restarts)
                    && runs.len() > finished
                    && runs.len() <= finished + 1 + self.broken
            }
            (Kind::Patient, _) => {
                let health = state["Health"]["Status"].as_str().unwrap_or_default();
                status == "running" && health == if self.sick { "unhealthy" } else { "healthy" }
            }
            (Kind::Finite { lines, code }, _) => {
                let whole = runs.iter().filter(|run| **run == Run { lines, ended: false }).count();
                ended(code) && whole >= 1 && runs.len() <= 1 + self.broken
            }
            (Kind::Failing { most }, _) => {
                let least = usize::try_from(most).unwrap_or_default() + 1;
                ended(3) && restarts == most && (least..=least + self.broken).contains(&runs.len())
            }
            (Kind::Brief, _) => false,
        };
        Ok((right, seen))
    }

    fn is_told(&self, status: &str, code: i64) -> bool {
        match self.state {
            State::Running => status == "running",
            State::Paused => status == "paused",
            State::Exited(own) => status == "exited" && code == own,
            State::Absent | State::Created => false,
        }
    }
}

/// Looks until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Answer<Option<T>>) -> Answer<T> {
    poll_for(PATIENCE, || look().transpose())
        .unwrap_or_else(|| Err(Trouble::Wrong(format!("waited in vain for {what}"))))
}
