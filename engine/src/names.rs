//! Names for containers that came without one: an adjective and somebody who moved heavy things well.

use gantry_types::ContainerName;

const ADJECTIVES: [&str; 64] = [
    "able", "agile", "amber", "apt", "bold", "brave", "bright", "brisk", "calm", "clear", "clever",
    "cool", "coral", "crisp", "deft", "eager", "early", "easy", "exact", "fair", "fleet", "fond",
    "frank", "free", "fresh", "gentle", "glad", "golden", "good", "grand", "happy", "hardy",
    "honest", "jolly", "keen", "kind", "lean", "light", "lively", "loyal", "lucid", "lucky",
    "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "plain", "polite",
    "proud", "quick", "quiet", "ready", "sharp", "silver", "solid", "steady", "sunny", "swift",
    "tidy", "warm",
];

const PEOPLE: [&str; 64] = [
    "archimedes",
    "armstrong",
    "baltard",
    "bazalgette",
    "bessemer",
    "brindley",
    "brunel",
    "brunelleschi",
    "clapeyron",
    "clark",
    "coignet",
    "cort",
    "coulomb",
    "cubitt",
    "ctesibius",
    "daimler",
    "darby",
    "diesel",
    "eads",
    "edwards",
    "eiffel",
    "ellet",
    "fairbairn",
    "fontana",
    "fowler",
    "froude",
    "hennebique",
    "hero",
    "hooke",
    "imhotep",
    "jessop",
    "khan",
    "lesseps",
    "lever",
    "locke",
    "maillart",
    "maudslay",
    "mclean",
    "monier",
    "nasmyth",
    "navier",
    "otis",
    "outram",
    "paxton",
    "perronet",
    "poncelet",
    "rankine",
    "rennie",
    "riquet",
    "roebling",
    "rondelet",
    "savery",
    "sinan",
    "smeaton",
    "sostratus",
    "stephenson",
    "stevin",
    "telford",
    "torroja",
    "trevithick",
    "vauban",
    "vitruvius",
    "watt",
    "whitworth",
];

/// A name that `random` picks; `attempt` above zero adds a number, for when the name is taken.
pub(crate) fn suggest(random: [u8; 2], attempt: u32) -> ContainerName {
    let adjective = ADJECTIVES[usize::from(random[0]) % ADJECTIVES.len()];
    let person = PEOPLE[usize::from(random[1]) % PEOPLE.len()];
    let name = if attempt == 0 {
        format!("{adjective}_{person}")
    } else {
        format!("{adjective}_{person}{attempt}")
    };
    name.parse().unwrap_or_else(|error| unreachable!("the word lists make valid names: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_makes_a_valid_name() {
        for byte in 0..=255 {
            assert!(suggest([byte, byte], u32::from(byte)).as_str().contains('_'));
        }
    }
}
