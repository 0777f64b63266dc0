//! The targets without the fuzzer: over the seeds, over what was found before, and over mutations of both, the same on every run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gantry_fuzz::{TARGETS, Target};

/// How long the mutations of one target may take.
const TIME: Duration = Duration::from_secs(3);
/// And how many there are at most.
const MUTATIONS: u64 = 20_000;
const LENGTH: usize = 64 << 10;

fn here(folder: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target)
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Words that matter to the target, from its dictionary: one quoted text a line.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let path = here("dictionaries", target).with_extension("dict");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<String>(line).ok())
        .map(String::into_bytes)
        .collect()
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }
}

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let (at, to) = (dice.roll(data.len() + 1), dice.roll(data.len() + 1));
        let (from, to) = (at.min(to), at.max(to));
        match dice.roll(7) {
            0 if at < data.len() => data[at] ^= 1 << dice.roll(8),
            1 if at < data.len() => {
                data[at] = [0, 0xff, b'"', b'/', b':', b'9', 0x80][dice.roll(7)];
            }
            2 => drop(data.drain(from..to)),
            3 if data.len() < LENGTH => {
                let piece = data[from..to].to_vec();
                data.splice(at..at, piece);
            }
            4 => data.truncate(at),
            5 if !words.is_empty() => {
                data.splice(at..at, words[dice.roll(words.len())].iter().copied());
            }
            _ => {
                let other = &seeds[dice.roll(seeds.len())];
                let cut = dice.roll(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[cut..]);
            }
        }
    }
    data
}

/// Says which input it was before the panic goes on.
fn run(name: &str, target: Target, data: &[u8]) {
    let result = std::panic::catch_unwind(|| target(data));
    if let Err(panic) = result {
        eprintln!("target {name}, input {:?}", String::from_utf8_lossy(data));
        std::panic::resume_unwind(panic);
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let mut inputs = files(&here("seeds", name));
    assert!(!inputs.is_empty(), "fuzz/seeds/{name} has no seeds");
    inputs.extend(files(&here("findings", name)));
    for data in &inputs {
        run(name, *target, data);
    }
    let (words, mut dice, started) =
        (dictionary(name), Dice(0x2545_f491_4f6c_dd1d), Instant::now());
    for _ in 0..MUTATIONS {
        if started.elapsed() > TIME {
            break;
        }
        run(name, *target, &mutate(&mut dice, &inputs, &words));
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

replays!(config dns seccomp bootstrap frames accounts words log_line record image_config
    reference manifest tar_apply archive_load layer_forms split dockerfile);

#[test]
fn every_target_is_replayed() {
    assert!(TARGETS.iter().map(|(name, _)| name).eq(REPLAYED));
}
