//! One of the clients that use the daemon at the same time. What it makes is its own, so that it knows what must be there.

use std::sync::{Arc, Mutex, PoisonError};

use gantry_testkit::Tar;
use serde_json::json;

use super::api::{Answer, Api, Trouble, text_of};
use super::container::{Container, Deed, Kind, State};
use super::lines;
use crate::dice::Dice;
use crate::record::Counts;

/// Something without a life of its own that is there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    Volume,
    Network,
    Image,
}

/// What a follower of the keeper's log has received: whose log, and the frames.
type Followed = Arc<Mutex<Vec<u8>>>;

pub(crate) struct Client {
    pub number: u32,
    pub containers: Vec<Container>,
    /// Those that end by themselves: made, seen to end, and removed.
    pub brief: Vec<Container>,
    /// Whether they are there; none when a kill came between.
    pub things: [(Thing, Option<bool>); 3],
    /// Whether the keeper is in the network.
    connected: Option<bool>,
    /// Lines in the keeper's volume: they never become fewer.
    written: usize,
    followed: Option<(String, Followed)>,
    serial: u32,
    pub counts: Counts,
}

impl Client {
    pub(crate) fn new(number: u32) -> Self {
        // Half of them have networks.
        let network = if number.is_multiple_of(2) { "none" } else { "bridge" };
        let container =
            |kind, name: &str| Container::new(kind, &format!("{name}-{number}"), network);
        let containers = vec![
            container(Kind::Keeper, "keeper"),
            container(Kind::Phoenix, "phoenix"),
            container(Kind::Patient, "patient"),
        ];
        let things =
            [Thing::Volume, Thing::Network, Thing::Image].map(|thing| (thing, Some(false)));
        Self {
            number,
            containers,
            brief: Vec::new(),
            things,
            connected: Some(false),
            written: 0,
            followed: None,
            serial: 0,
            counts: Counts::new(),
        }
    }

    /// Does one thing after the other, until the daemon is killed; what went wrong, if something did.
    pub(crate) fn work(&mut self, api: &Api, dice: &mut Dice) -> Result<(), String> {
        loop {
            match self.step(api, dice) {
                Ok(()) => {}
                Err(Trouble::Cut) => return Ok(()),
                Err(Trouble::Wrong(text)) => return Err(format!("client {}: {text}", self.number)),
            }
        }
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(format!("cut in {what}")).or_default() += 1;
    }

    fn step(&mut self, api: &Api, dice: &mut Dice) -> Answer<()> {
        match dice.below(12) {
            0..5 => self.live(api, dice),
            5 | 6 => self.run_brief(api, dice),
            7 | 8 => self.turn_thing(api, dice),
            9 => {
                self.follow(api);
                Ok(())
            }
            10 => self.copy(api, dice),
            _ => self.look_around(api),
        }
    }

    /// A step in the life of a container that stays.
    fn live(&mut self, api: &Api, dice: &mut Dice) -> Answer<()> {
        let at = dice.below(3) as usize;
        let container = &mut self.containers[at];
        let running: &[Deed] = match container.kind {
            Kind::Keeper => &[
                Deed::Stop,
                Deed::Stop,
                Deed::Kill,
                Deed::Restart,
                Deed::Restart,
                Deed::Pause,
                Deed::Rename,
                Deed::Remove,
            ],
            Kind::Phoenix => &[Deed::Provoke, Deed::Provoke, Deed::Rename, Deed::Remove],
            _ => &[Deed::Sicken(true), Deed::Sicken(false), Deed::Remove],
        };
        let deed = match container.state {
            State::Absent => Deed::Create,
            State::Created | State::Exited(_) => {
                dice.pick(&[Deed::Start, Deed::Start, Deed::Start, Deed::Remove])
            }
            State::Paused => Deed::Unpause,
            State::Running => dice.pick(running),
        };
        let deed = match deed {
            Deed::Sicken(_) => Deed::Sicken(!container.sick),
            deed => deed,
        };
        let done = container.act(api, deed).and_then(|()| container.await_word(api));
        if self.containers[0].state == State::Absent {
            // What it had of networks beside its own went with it.
            self.connected = Some(false);
        }
        if done == Err(Trouble::Cut) {
            self.count(&format!("{deed:?}").to_lowercase());
        }
        done
    }

    /// Something that ends by itself is made, or one that has ended goes.
    fn run_brief(&mut self, api: &Api, dice: &mut Dice) -> Answer<()> {
        if self.brief.len() >= 3 {
            let mut oldest = self.brief.remove(0);
            let done = oldest.verify(api).and_then(|()| match oldest.state {
                State::Absent => Ok(()),
                _ => oldest.act(api, Deed::Remove),
            });
            if done.is_err() {
                self.brief.insert(0, oldest);
            }
            if done == Err(Trouble::Cut) {
                self.count("rm of one that has ended");
            }
            return done;
        }
        self.serial += 1;
        let kind = match dice.below(3) {
            0 => Kind::Finite { lines: 1 + dice.below(300), code: i64::from(dice.below(120)) },
            1 => Kind::Failing { most: i64::from(1 + dice.below(2)) },
            _ => Kind::Brief,
        };
        let name = format!("brief-{}-{}", self.number, self.serial);
        let network = if self.number.is_multiple_of(2) { "none" } else { "bridge" };
        let mut container = Container::new(kind, &name, network);
        let done = container.act(api, Deed::Create).and_then(|()| container.act(api, Deed::Start));
        let deed = container.doubt;
        self.brief.push(container);
        if let (Err(Trouble::Cut), Some(deed)) = (&done, deed) {
            self.count(&format!("{deed:?}").to_lowercase());
        }
        done
    }

    fn turn_thing(&mut self, api: &Api, dice: &mut Dice) -> Answer<()> {
        let at = dice.below(4) as usize;
        let Some((thing, is_there)) = self.things.get(at).copied() else {
            return self.turn_connection(api);
        };
        if thing == Thing::Network && self.connected != Some(false)
            || thing == Thing::Image && self.containers[0].state == State::Absent
        {
            return Ok(());
        }
        self.things[at].1 = None;
        let wanted = is_there == Some(false);
        let done = self.set(api, thing, wanted);
        match &done {
            Ok(()) => self.things[at].1 = Some(wanted),
            Err(Trouble::Cut) => self.count(
                &format!("{} of a {thing:?}", if wanted { "make" } else { "rm" }).to_lowercase(),
            ),
            Err(Trouble::Wrong(_)) => {}
        }
        done
    }

    /// Makes or removes a thing; also when that is done already.
    fn set(&self, api: &Api, thing: Thing, wanted: bool) -> Answer<()> {
        let name = self.name(thing);
        match (thing, wanted) {
            (Thing::Volume, true) => {
                let body = json!({"Name": name, "Labels": {"client": self.number.to_string()}});
                api.send("/volumes/create", &body, &[201]).map(drop)
            }
            (Thing::Volume, false) => {
                api.delete(&format!("/volumes/{name}"), &[204, 404]).map(drop)
            }
            (Thing::Network, true) => {
                api.send("/networks/create", &json!({"Name": name}), &[201, 409]).map(drop)
            }
            (Thing::Network, false) => {
                api.delete(&format!("/networks/{name}"), &[204, 404]).map(drop)
            }
            (Thing::Image, true) => {
                let target =
                    format!("/commit?container={}&repo={name}&pause=0", self.containers[0].id);
                api.send(&target, &json!({}), &[201]).map(drop)
            }
            (Thing::Image, false) => {
                api.delete(&format!("/images/{name}?force=1"), &[200, 404]).map(drop)
            }
        }
    }

    pub(crate) fn name(&self, thing: Thing) -> String {
        format!("{}-{}", format!("{thing:?}").to_lowercase(), self.number)
    }

    fn turn_connection(&mut self, api: &Api) -> Answer<()> {
        let has_network = self.things[1].1 == Some(true) && self.containers[0].network == "bridge";
        let keeper = &self.containers[0];
        if !has_network || keeper.state == State::Absent {
            return Ok(());
        }
        let wanted = self.connected == Some(false);
        self.connected = None;
        let done = self.connect(api, wanted, &[200]);
        match &done {
            Ok(()) => self.connected = Some(wanted),
            Err(Trouble::Cut) => self.count(if wanted { "connect" } else { "disconnect" }),
            Err(Trouble::Wrong(_)) => {}
        }
        done
    }

    fn connect(&self, api: &Api, wanted: bool, good: &[u16]) -> Answer<()> {
        let verb = if wanted { "connect" } else { "disconnect" };
        let target = format!("/networks/{}/{verb}", self.name(Thing::Network));
        api.send(&target, &json!({"Container": self.containers[0].id}), good).map(drop)
    }

    /// From now on somebody reads what the keeper writes.
    fn follow(&mut self, api: &Api) {
        let keeper = &self.containers[0];
        if keeper.state == State::Absent || self.followed.is_some() {
            return;
        }
        let received = Followed::default();
        self.followed = Some((keeper.id.clone(), Arc::clone(&received)));
        let (api, target) =
            (api.clone(), format!("/containers/{}/logs?stdout=1&follow=1", keeper.id));
        std::thread::spawn(move || {
            api.stream(&target, &mut |bytes| {
                received.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            });
        });
    }

    /// Files go into the keeper, and come to be whole.
    fn copy(&mut self, api: &Api, dice: &mut Dice) -> Answer<()> {
        let keeper = &self.containers[0];
        if keeper.state == State::Absent {
            return Ok(());
        }
        let letter = dice.pick(b"abcdefgh");
        let tar = Tar::new().file("copied", 0o644, &vec![letter; 100_000]).finish();
        let target = format!("/containers/{}/archive?path=/tmp", keeper.id);
        if let Err(trouble) = api.ask(("PUT", &target), &tar, &[200]) {
            self.count("copy");
            return Err(trouble);
        }
        let keeper = &self.containers[0];
        if keeper.state == State::Running {
            let letter = char::from(letter);
            let script = format!("tr -d {letter} </tmp/copied | wc -c; wc -c </tmp/copied");
            let (told, _) = api.exec(&keeper.id, &["sh", "-c", &script])?;
            if told != "0\n100000\n" {
                return Err(Trouble::Wrong(format!("what was copied is {told:?}")));
            }
        }
        Ok(())
    }

    /// The questions that tools ask all the time.
    fn look_around(&mut self, api: &Api) -> Answer<()> {
        for target in ["/containers/json?all=1", "/images/json", "/volumes", "/networks", "/info"] {
            api.ask(("GET", target), &[], &[200])?;
        }
        let keeper = &self.containers[0];
        if keeper.state == State::Running {
            for verb in ["top", "stats?stream=0&one-shot=1", "changes"] {
                api.ask(("GET", &format!("/containers/{}/{verb}", keeper.id)), &[], &[200])?;
            }
            let (word, code) = api.exec(&keeper.id, &["sh", "-c", "echo word; exit 5"])?;
            if (word.as_str(), code) != ("word\n", Some(5)) {
                return Err(Trouble::Wrong(format!(
                    "an exec said {word:?} and ended with {code:?}"
                )));
            }
        }
        Ok(())
    }

    /// After a start of the daemon: everything is as it was left, or as what was under way would have it.
    pub(crate) fn verify(&mut self, api: &Api) -> Result<(), String> {
        let verified = self.try_verify(api);
        verified.map_err(|trouble| format!("client {}: {trouble:?}", self.number))
    }

    fn try_verify(&mut self, api: &Api) -> Answer<()> {
        let keeper = self.containers[0].id.clone();
        for container in self.containers.iter_mut().chain(&mut self.brief) {
            if matches!(container.kind, Kind::Phoenix | Kind::Failing { .. }) {
                // The kill may have come into a start by the policy.
                container.broken += 1;
            }
            container.verify(api)?;
        }
        if self.containers[0].state == State::Absent || self.containers[0].id != keeper {
            self.connected = Some(false);
        }
        self.verify_things(api)?;
        self.verify_followed(api)?;
        let keeper = &self.containers[0];
        if keeper.state == State::Running {
            let (text, _) = api.exec(&keeper.id, &["cat", "/v/runs"])?;
            let count = text.lines().count();
            if count < self.written || text.lines().any(|line| line != "run") {
                return Err(Trouble::Wrong(format!(
                    "the volume had {} lines and has {count}",
                    self.written
                )));
            }
            self.written = count;
        }
        Ok(())
    }

    fn verify_things(&mut self, api: &Api) -> Answer<()> {
        for at in 0..self.things.len() {
            let (thing, known) = self.things[at];
            let name = self.name(thing);
            let kind = ["volumes", "networks", "images"][at];
            let end = if thing == Thing::Image { "/json" } else { "" };
            let found = api.look(&format!("/{kind}/{name}{end}"))?;
            match known {
                Some(known) if known != found.is_some() => {
                    return Err(Trouble::Wrong(format!(
                        "{name} should be there: {known}; it is {found:?}"
                    )));
                }
                Some(_) => {}
                None if self.containers[0].state == State::Absent && thing == Thing::Image => {
                    self.set(api, thing, false)?;
                    self.things[at].1 = Some(false);
                }
                // Once more, to the end, and back: it is whole, or gone.
                None => {
                    self.set(api, thing, true)?;
                    self.set(api, thing, false)?;
                    self.things[at].1 = Some(false);
                }
            }
        }
        if self.connected.is_none() {
            // Refused is what is so already.
            self.connect(api, true, &[200, 403])?;
            self.connect(api, false, &[200])?;
            self.connected = Some(false);
        }
        Ok(())
    }

    /// What a follower has received stands at the beginning of the log.
    fn verify_followed(&mut self, api: &Api) -> Answer<()> {
        let Some((id, received)) = self.followed.take() else { return Ok(()) };
        let text = text_of(&received.lock().unwrap_or_else(PoisonError::into_inner));
        lines::runs(&text).map_err(|wrong| format!("a follower received: {wrong}"))?;
        let keeper = &self.containers[0];
        if keeper.id == id && keeper.state != State::Absent {
            let log = api.log(&id)?;
            if !log.starts_with(lines::whole(&text)) {
                return Err(Trouble::Wrong(
                    "a follower received what is not in the log".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Takes everything away.
    pub(crate) fn leave(&mut self, api: &Api) -> Result<(), String> {
        let left = (|| {
            for container in self.containers.iter_mut().chain(&mut self.brief) {
                if container.state != State::Absent {
                    container.act(api, Deed::Remove)?;
                }
            }
            for kind in ["keeper", "phoenix"] {
                api.delete(&format!("/volumes/{kind}-{}-data", self.number), &[204, 404])?;
            }
            for (thing, _) in self.things {
                self.set(api, thing, false)?;
            }
            Ok(())
        })();
        left.map_err(|trouble: Trouble| format!("client {}: {trouble:?}", self.number))
    }
}
