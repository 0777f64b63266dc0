//! What is interrupted.

use gantry_testkit::{Outcome, Running};

use super::stage::Stage;

/// One thing that changes images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Pull,
    Push,
    Load,
    Save,
    Rmi,
    Commit,
    Prune,
}

/// What it is done to.
pub(crate) struct Target {
    number: u32,
    /// The image's name, or that of what is made of it.
    name: String,
}

/// The container that is committed.
const CONTAINER: &str = "chaos";

impl Operation {
    pub(crate) const ALL: [Self; 7] =
        [Self::Pull, Self::Push, Self::Load, Self::Save, Self::Rmi, Self::Commit, Self::Prune];

    /// Whether this Gantry has it.
    pub(crate) fn is_known(self, stage: &Stage) -> bool {
        let words: &[&str] = match self {
            Self::Commit => &["commit", "--help"],
            Self::Prune => &["image", "prune", "--help"],
            _ => return true,
        };
        stage.daemon.gantry(words).run().code == 0
    }

    /// Lays out what it needs.
    pub(crate) fn prepare(self, stage: &Stage, number: u32) -> Target {
        let own = stage.name(number);
        let made = format!("{}/made-{}:1", stage.registry.address(), stage.cycle);
        let name = match self {
            Self::Pull | Self::Load | Self::Save | Self::Rmi => own,
            Self::Push | Self::Commit | Self::Prune => made,
        };
        stage.set(number, !matches!(self, Self::Pull | Self::Load | Self::Save));
        match self {
            // Just come in: while it is saved, its archives go.
            Self::Save => stage.load(number),
            Self::Push => drop(stage.daemon.ok(&["tag", &stage.name(number), &name])),
            Self::Commit => Self::make_container(stage, number),
            Self::Prune => Self::leave_dangling(stage, number),
            Self::Pull | Self::Load | Self::Rmi => {}
        }
        Target { number, name }
    }

    /// Begins it, the first time or again.
    pub(crate) fn start(self, stage: &Stage, target: &Target) -> Running {
        let (archive, saved) = (stage.archive(target.number), stage.saved());
        let words: Vec<&str> = match self {
            Self::Pull => vec!["pull", "-q", &target.name],
            Self::Push => vec!["push", "-q", &target.name],
            Self::Load => vec!["load", "-q", "-i", &archive],
            Self::Save => vec!["save", "-o", &saved, &target.name],
            Self::Rmi => vec!["rmi", &target.name],
            Self::Commit => vec!["commit", CONTAINER, &target.name],
            Self::Prune => vec!["image", "prune", "-f"],
        };
        stage.daemon.gantry(&words).spawn()
    }

    /// The end of the repetition: a success, or for a removal that the image is gone already.
    pub(crate) fn accept(self, outcome: &Outcome) {
        if self == Self::Rmi && outcome.stderr.contains("No such image") {
            return;
        }
        assert_eq!(outcome.code, 0, "repeated: {outcome}");
    }

    /// What has to be the case when it has succeeded.
    pub(crate) fn judge(self, stage: &Stage, target: &Target) {
        let run = |name: &str| {
            stage.daemon.ok(&[
                "run",
                "--rm",
                "--network",
                "none",
                name,
                "sh",
                "-c",
                "cat /data/* | wc -c",
            ])
        };
        match self {
            Self::Pull | Self::Load => assert_ne!(run(&target.name), "0"),
            Self::Save => {
                // What was saved is the image.
                stage.daemon.ok(&["rmi", "-f", &target.name]);
                stage.daemon.ok(&["load", "-q", "-i", &stage.saved()]);
                assert_ne!(run(&target.name), "0");
            }
            Self::Rmi => assert!(!stage.has(&target.name), "it is removed"),
            Self::Push => {
                let source = format!("docker://{}", target.name);
                let words = ["inspect", "--tls-verify=false", "--raw", &source];
                stage.registry.skopeo(&words).run().success();
                stage.daemon.ok(&["rmi", &target.name]);
                stage.daemon.ok(&["pull", "-q", &target.name]);
                stage.daemon.ok(&["rmi", &target.name]);
            }
            Self::Commit => {
                assert_ne!(run(&target.name), "0");
                let words = ["run", "--rm", "--network", "none", &target.name, "cat", "/made"];
                assert_eq!(stage.daemon.ok(&words), "by a container");
                stage.daemon.ok(&["rm", "-f", CONTAINER]);
                stage.daemon.ok(&["rmi", &target.name]);
            }
            Self::Prune => {
                let left = stage.daemon.ok(&["images", "-q", "-f", "dangling=true"]);
                assert_eq!(left, "", "nothing without a name is left");
            }
        }
    }

    /// A container that has written something.
    fn make_container(stage: &Stage, number: u32) {
        let script = "echo by a container >/made; rm -r /data; mkdir /data; head -c 2000000 /dev/urandom >/data/own";
        let name = stage.name(number);
        stage.daemon.gantry(&["rm", "-f", CONTAINER]).run();
        let words = ["run", "--name", CONTAINER, "--network", "none", &name, "sh", "-c", script];
        stage.daemon.ok(&words);
    }

    /// An image that has lost its name, with a layer that no other has.
    fn leave_dangling(stage: &Stage, number: u32) {
        let name = stage.name(number);
        let other = (number + 1) % super::stage::IMAGES;
        stage.set(other, true);
        stage.daemon.ok(&["tag", &stage.name(other), &name]);
    }
}
