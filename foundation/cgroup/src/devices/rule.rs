//! One rule about devices, checked.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

use gantry_oci::runtime::DeviceRule;

use crate::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    Block,
    Character,
}

/// What is done with a device, in the bits that the kernel's device programs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(pub(crate) u8);

/// Some devices: those of a kind with these numbers, where absent means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) kind: Kind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) allow: bool,
    pub(crate) pattern: Pattern,
    pub(crate) access: Access,
}

impl Access {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const MKNOD: Self = Self(1);
    pub(crate) const READ: Self = Self(2);
    pub(crate) const WRITE: Self = Self(4);
    pub(crate) const ALL: Self = Self(7);

    /// Parses a combination of `r`, `w` and `m`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::NONE, |access, letter| {
            Some(
                access
                    | match letter {
                        'r' => Self::READ,
                        'w' => Self::WRITE,
                        'm' => Self::MKNOD,
                        _ => return None,
                    },
            )
        })
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl BitOr for Access {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Access {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Access {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if !(*self & bit).is_none() {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl Pattern {
    pub(crate) const ANY: Self = Self { kind: Kind::Any, major: None, minor: None };

    /// Whether every device of `other` is one of these.
    pub(crate) fn covers(self, other: Self) -> bool {
        (self.kind == Kind::Any || self.kind == other.kind)
            && (self.major.is_none() || self.major == other.major)
            && (self.minor.is_none() || self.minor == other.minor)
    }

    /// Whether some device is in both.
    pub(crate) fn meets(self, other: Self) -> bool {
        let kinds = self.kind == other.kind || [self.kind, other.kind].contains(&Kind::Any);
        let numbers = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        kinds && numbers(self.major, other.major) && numbers(self.minor, other.minor)
    }
}

/// As v1's files word it, such as `c 1:3`.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number =
            |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |it| it.to_string());
        let kind = match self.kind {
            Kind::Any => 'a',
            Kind::Block => 'b',
            Kind::Character => 'c',
        };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

impl Rule {
    pub(crate) fn parse(rule: &DeviceRule) -> Result<Self, Error> {
        let refuse = |reason| Error::DeviceRule { rule: worded(rule), reason };
        let kind = match rule.kind.as_str() {
            "" | "a" => Kind::Any,
            "b" => Kind::Block,
            // u is c without buffering, which no kernel tells apart.
            "c" | "u" => Kind::Character,
            _ => return Err(refuse("the type must be a, b or c")),
        };
        // -1 is how older documents say "any".
        let number = |number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(number) => u32::try_from(number)
                .map(Some)
                .map_err(|_| refuse("a device number must lie between 0 and 4294967295")),
        };
        let access = match rule.access.as_str() {
            "" if kind == Kind::Any => Access::ALL,
            "" => return Err(refuse("the access must be a combination of r, w and m")),
            text => Access::parse(text)
                .ok_or_else(|| refuse("the access must be a combination of r, w and m"))?,
        };
        let pattern = Pattern { kind, major: number(rule.major)?, minor: number(rule.minor)? };
        Ok(Self { allow: rule.allow, pattern, access })
    }

    /// Whether it says everything about every device, so that no rule before it matters.
    pub(crate) fn is_about_everything(self) -> bool {
        self.pattern == Pattern::ANY && self.access == Access::ALL
    }
}

fn worded(rule: &DeviceRule) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |it| it.to_string());
    let verb = if rule.allow { "allow" } else { "deny" };
    let kind = if rule.kind.is_empty() { "a" } else { &rule.kind };
    format!("{verb} {kind} {}:{} {}", number(rule.major), number(rule.minor), rule.access)
}

const fn character(major: u32, minor: Option<u32>) -> Rule {
    let pattern = Pattern { kind: Kind::Character, major: Some(major), minor };
    Rule { allow: true, pattern, access: Access::ALL }
}

const fn mknod(kind: Kind) -> Rule {
    Rule { allow: true, pattern: Pattern { kind, major: None, minor: None }, access: Access::MKNOD }
}

/// What every container may use: making any device node, and those devices that the specification puts in every `/dev`
/// (null, zero, full, random, urandom, tty, ptmx and the pseudo terminals).
pub(crate) const DEFAULTS: &[Rule] = &[
    mknod(Kind::Character),
    mknod(Kind::Block),
    character(1, Some(3)),
    character(1, Some(5)),
    character(1, Some(7)),
    character(1, Some(8)),
    character(1, Some(9)),
    character(5, Some(0)),
    character(5, Some(2)),
    character(136, None),
];
