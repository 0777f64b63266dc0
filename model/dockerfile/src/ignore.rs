//! `.dockerignore`: which files of the context do not count.
//!
//! Patterns are matched against paths relative to the context, with `/` between names. The last pattern that matches a path or
//! one of the directories above it decides; `!` takes paths back in.

/// The most patterns that a file may have.
const MAX_PATTERNS: usize = 10_000;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// A bracket that is not closed, a lone `!`, an escape of nothing.
    #[error("illegal exclusion pattern: {0:?}")]
    Illegal(String),
    /// More than there may be.
    #[error("the ignore file has more than {MAX_PATTERNS} patterns")]
    TooMany,
}

/// The patterns of one file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    patterns: Vec<IgnorePattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct IgnorePattern {
    takes_back: bool,
    /// Names between slashes.
    names: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `**`: any number of names.
    Any,
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Character(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[a-z]`, `[^a-z]`
    Class {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
}

impl IgnoreFile {
    /// Reads a whole file. Lines that begin with `#` are comments.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        Self::of_patterns(lines)
    }

    /// The same from single patterns, as `COPY --exclude` has them.
    pub fn of_patterns<'p>(
        patterns: impl Iterator<Item = &'p str>,
    ) -> Result<Self, InvalidPattern> {
        let mut file = Self::default();
        for text in patterns.filter(|text| !text.is_empty()) {
            if file.patterns.len() == MAX_PATTERNS {
                return Err(InvalidPattern::TooMany);
            }
            file.patterns.extend(IgnorePattern::parse(text)?);
        }
        Ok(file)
    }

    /// Whether there is nothing to leave out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a path, relative to the context, is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let decisive =
            self.patterns.iter().rev().find(|pattern| pattern.matches_or_contains(&names));
        decisive.is_some_and(|pattern| !pattern.takes_back)
    }

    /// Whether something below a directory that is left out may be taken back in, so that one has to look into it.
    pub fn may_take_back_below(&self, directory: &str) -> bool {
        let names: Vec<&str> = directory.split('/').filter(|name| !name.is_empty()).collect();
        let mut back = self.patterns.iter().filter(|pattern| pattern.takes_back);
        back.any(|pattern| pattern.may_match_below(&names))
    }
}

impl IgnorePattern {
    /// `None` for a pattern that means the whole context, which cannot be left out.
    fn parse(text: &str) -> Result<Option<Self>, InvalidPattern> {
        let illegal = || InvalidPattern::Illegal(text.to_owned());
        let (takes_back, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        if rest.is_empty() {
            return Err(illegal());
        }
        let mut names = Vec::new();
        for name in clean(rest) {
            names.push(Name::parse(name).ok_or_else(illegal)?);
        }
        Ok((!names.is_empty()).then_some(Self { takes_back, names }))
    }

    /// The path itself, or a directory above it, is meant.
    fn matches_or_contains(&self, path: &[&str]) -> bool {
        reached(&self.names, path)[1..].iter().any(|reached| *reached)
    }

    /// Whether a path below the directory could be meant.
    fn may_match_below(&self, directory: &[&str]) -> bool {
        // The states after each name of the directory: is one left that can go on?
        let mut states = vec![false; self.names.len() + 1];
        states[0] = true;
        for name in directory {
            states = step(&self.names, &close(&self.names, states), name);
        }
        close(&self.names, states)[..self.names.len()].iter().any(|state| *state)
    }
}

/// For each number of names from the path's beginning, whether the pattern matches just those.
fn reached(pattern: &[Name], path: &[&str]) -> Vec<bool> {
    let mut states = vec![false; pattern.len() + 1];
    states[0] = true;
    let mut reached = Vec::with_capacity(path.len() + 1);
    states = close(pattern, states);
    reached.push(states[pattern.len()]);
    for name in path {
        states = close(pattern, step(pattern, &states, name));
        reached.push(states[pattern.len()]);
    }
    reached
}

/// `**` may stand for nothing.
fn close(pattern: &[Name], mut states: Vec<bool>) -> Vec<bool> {
    for (i, name) in pattern.iter().enumerate() {
        states[i + 1] |= states[i] && *name == Name::Any;
    }
    states
}

fn step(pattern: &[Name], states: &[bool], name: &str) -> Vec<bool> {
    let mut next = vec![false; states.len()];
    for (i, expected) in pattern.iter().enumerate().filter(|(i, _)| states[*i]) {
        match expected {
            Name::Any => next[i] = true,
            Name::Pieces(pieces) => next[i + 1] |= matches(pieces, name),
        }
    }
    next
}

/// The names of a path, without those that mean nothing: `./a/../b/` is `b`.
fn clean(path: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        if text == "**" {
            return Some(Self::Any);
        }
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            pieces.push(match character {
                '*' => Piece::Many,
                '?' => Piece::One,
                '\\' => Piece::Character(rest.next()?),
                '[' => class(&mut rest)?,
                _ => Piece::Character(character),
            });
        }
        Some(Self::Pieces(pieces))
    }
}

fn class(rest: &mut std::str::Chars<'_>) -> Option<Piece> {
    let mut characters = rest.clone().peekable();
    let is_negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let mut taken = usize::from(is_negated);
    loop {
        let mut one = || {
            taken += 1;
            match characters.next()? {
                '\\' => {
                    taken += 1;
                    characters.next()
                }
                character => Some(character),
            }
        };
        let first = one()?;
        if first == ']' && !ranges.is_empty() {
            break;
        }
        let last = if characters.next_if_eq(&'-').is_some() {
            taken += 1;
            taken += 1;
            characters.next()?
        } else {
            first
        };
        ranges.push((first, last));
    }
    rest.nth(taken - 1);
    Some(Piece::Class { ranges, is_negated })
}

/// Whether the pieces are the whole of a name.
fn matches(pieces: &[Piece], name: &str) -> bool {
    let mut states = vec![false; pieces.len() + 1];
    states[0] = true;
    let close = |states: &mut Vec<bool>| {
        for (i, piece) in pieces.iter().enumerate() {
            states[i + 1] |= states[i] && *piece == Piece::Many;
        }
    };
    close(&mut states);
    for character in name.chars() {
        let mut next = vec![false; states.len()];
        for (i, piece) in pieces.iter().enumerate().filter(|(i, _)| states[*i]) {
            match piece {
                Piece::Many => next[i] = true,
                piece => next[i + 1] |= piece.is(character),
            }
        }
        close(&mut next);
        states = next;
    }
    states[pieces.len()]
}

impl Piece {
    fn is(&self, character: char) -> bool {
        match self {
            Self::Character(expected) => *expected == character,
            Self::One | Self::Many => true,
            Self::Class { ranges, is_negated } => {
                let within = |(first, last): &(char, char)| (*first..=*last).contains(&character);
                ranges.iter().any(within) != *is_negated
            }
        }
    }
}
