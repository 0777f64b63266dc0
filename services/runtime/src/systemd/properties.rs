//! A unit's properties: types and values as D-Bus carries them, and what of a container's limits systemd is told
//! (`systemd.resource-control(5)`).
//!
//! systemd writes these when it loads its units again: what it would write must be what the runtime has written.

use gantry_cgroup::{Layout, cpu_weight};
use gantry_oci::runtime::{Cpu, LinuxResources, Memory};

use super::devices;
use super::message::Encoder;
use crate::error::Error;

/// A name and a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Property {
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Switch(bool),
    Byte(u8),
    Short(u32),
    Long(u64),
    SignedShort(i32),
    SignedLong(i64),
    Fraction(f64),
    Bytes(Vec<u8>),
    Pids(Vec<u32>),
    Texts(Vec<String>),
    /// Device and access.
    Pairs(Vec<(String, String)>),
}

impl Property {
    pub(super) fn new(name: impl Into<String>, value: Value) -> Self {
        Self { name: name.into(), value }
    }

    /// An element of `a(sv)`.
    pub(super) fn encode(&self, list: &mut Encoder) {
        list.structure(|pair| {
            pair.string(&self.name);
            pair.variant(self.value.signature(), |value| self.value.encode(value));
        });
    }
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Text(_) => "s",
            Self::Switch(_) => "b",
            Self::Byte(_) => "y",
            Self::Short(_) => "u",
            Self::Long(_) => "t",
            Self::SignedShort(_) => "i",
            Self::SignedLong(_) => "x",
            Self::Fraction(_) => "d",
            Self::Bytes(_) => "ay",
            Self::Pids(_) => "au",
            Self::Texts(_) => "as",
            Self::Pairs(_) => "a(ss)",
        }
    }

    fn encode(&self, out: &mut Encoder) {
        match self {
            Self::Text(text) => out.string(text),
            Self::Switch(on) => out.boolean(*on),
            Self::Byte(byte) => out.byte(*byte),
            Self::Short(number) => out.number(*number),
            Self::Long(number) => out.long(*number),
            Self::SignedShort(number) => out.number(number.cast_unsigned()),
            Self::SignedLong(number) => out.long(number.cast_unsigned()),
            Self::Fraction(number) => out.long(number.to_bits()),
            Self::Bytes(bytes) => {
                out.array(1, |list| bytes.iter().for_each(|byte| list.byte(*byte)));
            }
            Self::Pids(pids) => out.array(4, |list| pids.iter().for_each(|pid| list.number(*pid))),
            Self::Texts(texts) => {
                out.array(4, |list| texts.iter().for_each(|text| list.string(text)));
            }
            Self::Pairs(pairs) => out.array(8, |list| {
                for (device, access) in pairs {
                    list.structure(|pair| {
                        pair.string(device);
                        pair.string(access);
                    });
                }
            }),
        }
    }
}

/// What an unlimited resource is.
const INFINITY: u64 = u64::MAX;

/// The limits. `all` is for a new unit: without a word systemd would set a default of its own to the number of tasks.
pub(super) fn limits(
    resources: &LinuxResources,
    layout: Layout,
    all: bool,
) -> Result<Vec<Property>, Error> {
    let mut list = Vec::new();
    let mut add = |name: &str, value| list.push(Property::new(name, value));
    if let Some(memory) = &resources.memory {
        memory_limits(memory, layout, &mut add);
    }
    let tasks = resources.pids.and_then(|pids| pids.limit).or(all.then_some(-1));
    if let Some(tasks) = tasks {
        add("TasksMax", Value::Long(number(tasks)));
    }
    if let Some(cpu) = &resources.cpu {
        cpu_limits(cpu, layout, &mut add)?;
    }
    // The unit was asked for 10 to 1000; on v2 the range is 1 to 10000.
    if let Some(weight) = resources.block_io.as_ref().and_then(|io| io.weight).filter(|it| *it > 0)
    {
        let weight = u64::from(weight);
        match layout {
            Layout::Unified => add("IOWeight", Value::Long(1 + (weight.max(10) - 10) * 9999 / 990)),
            _ => add("BlockIOWeight", Value::Long(weight)),
        }
    }
    if !resources.devices.is_empty() {
        list.extend(devices::properties(&resources.devices));
    }
    Ok(list)
}

fn number(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(INFINITY)
}

fn memory_limits(memory: &Memory, layout: Layout, add: &mut impl FnMut(&str, Value)) {
    let limit = memory.limit.filter(|limit| *limit != 0);
    if layout != Layout::Unified {
        if let Some(limit) = limit {
            add("MemoryLimit", Value::Long(number(limit)));
        }
        return;
    }
    if let Some(limit) = limit {
        add("MemoryMax", Value::Long(number(limit)));
    }
    if let Some(low) = memory.reservation.filter(|low| *low != 0) {
        add("MemoryLow", Value::Long(number(low)));
    }
    // The document counts memory together with swap, systemd swap alone.
    match (memory.swap.filter(|swap| *swap != 0), limit) {
        (Some(swap), _) if swap < 0 => add("MemorySwapMax", Value::Long(INFINITY)),
        (Some(swap), Some(limit)) if limit > 0 && swap >= limit => {
            add("MemorySwapMax", Value::Long(number(swap - limit)));
        }
        _ => {}
    }
}

fn cpu_limits(cpu: &Cpu, layout: Layout, add: &mut impl FnMut(&str, Value)) -> Result<(), Error> {
    let unified = layout == Layout::Unified;
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        match unified {
            true if cpu.idle == Some(1) => {}
            true => add("CPUWeight", Value::Long(cpu_weight(shares))),
            false => add("CPUShares", Value::Long(shares)),
        }
    }
    if unified && cpu.idle == Some(1) {
        // The word "idle" as a number.
        add("CPUWeight", Value::Long(0));
    }
    if let Some(period) = cpu.period.filter(|period| *period > 0) {
        add("CPUQuotaPeriodUSec", Value::Long(period));
    }
    if let Some(quota) = cpu.quota.filter(|quota| *quota != 0) {
        let period = cpu.period.filter(|period| *period > 0).unwrap_or(100_000);
        // Microseconds a second, in systemd's steps of ten milliseconds.
        let per_second = u64::try_from(quota).map_or(INFINITY, |quota| {
            let exact = quota.saturating_mul(1_000_000) / period;
            exact.checked_next_multiple_of(10_000).unwrap_or(INFINITY)
        });
        add("CPUQuotaPerSecUSec", Value::Long(per_second));
    }
    if unified {
        for (name, list) in [("AllowedCPUs", &cpu.cpus), ("AllowedMemoryNodes", &cpu.mems)] {
            if !list.is_empty() {
                add(name, Value::Bytes(bits(list)?));
            }
        }
    }
    Ok(())
}

/// More than any machine has.
const CPU_LIMIT: usize = 65_536;

/// A list such as `0-3,7` as a set of bits, the lowest first.
fn bits(list: &str) -> Result<Vec<u8>, Error> {
    let refused =
        || Error::InvalidConfig { reason: format!("{list:?} is not a list of CPUs or nodes") };
    let mut bytes = Vec::new();
    for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let parse = |text: &str| text.parse::<usize>().ok().filter(|cpu| *cpu < CPU_LIMIT);
        let (first, last) = parse(first).zip(parse(last)).ok_or_else(refused)?;
        if first > last {
            return Err(refused());
        }
        for cpu in first..=last {
            if bytes.len() <= cpu / 8 {
                bytes.resize(cpu / 8 + 1, 0);
            }
            bytes[cpu / 8] |= 1 << (cpu % 8);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resources: &str, layout: Layout, expected: &[(&str, u64)]) {
        let resources = serde_json::from_str(resources).unwrap();
        let found = limits(&resources, layout, false).unwrap();
        let expected: Vec<Property> = expected
            .iter()
            .map(|(name, value)| Property::new(*name, Value::Long(*value)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn limits_become_the_properties_of_their_version() {
        let resources = r#"{"memory": {"limit": 5000, "swap": 8000, "reservation": 100},
            "pids": {"limit": 7}, "cpu": {"quota": 50000, "period": 100000, "shares": 1024},
            "blockIO": {"weight": 1000}}"#;
        let v2 = [
            ("MemoryMax", 5000),
            ("MemoryLow", 100),
            ("MemorySwapMax", 3000),
            ("TasksMax", 7),
            ("CPUWeight", 100),
            ("CPUQuotaPeriodUSec", 100_000),
            ("CPUQuotaPerSecUSec", 500_000),
            ("IOWeight", 10_000),
        ];
        check(resources, Layout::Unified, &v2);
        let v1 = [
            ("MemoryLimit", 5000),
            ("TasksMax", 7),
            ("CPUShares", 1024),
            ("CPUQuotaPeriodUSec", 100_000),
            ("CPUQuotaPerSecUSec", 500_000),
            ("BlockIOWeight", 1000),
        ];
        check(resources, Layout::Hybrid, &v1);
        let unlimited = r#"{"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1, "idle": 1, "shares": 2}}"#;
        let infinite = [
            ("MemoryMax", INFINITY),
            ("MemorySwapMax", INFINITY),
            ("CPUWeight", 0),
            ("CPUQuotaPerSecUSec", INFINITY),
        ];
        check(unlimited, Layout::Unified, &infinite);
        let huge = r#"{"cpu": {"quota": 9223372036854775807, "period": 1}}"#;
        let beyond = [("CPUQuotaPeriodUSec", 1), ("CPUQuotaPerSecUSec", INFINITY)];
        check(huge, Layout::Unified, &beyond);
        check("{}", Layout::Unified, &[]);
        let new = limits(&LinuxResources::default(), Layout::Unified, true).unwrap();
        assert_eq!(new, [Property::new("TasksMax", Value::Long(INFINITY))]);
    }

    #[test]
    fn lists_of_cpus_become_bits() {
        for (list, expected) in [("0", vec![1]), ("0-3,7", vec![0x8f]), ("9,1", vec![2, 2])] {
            assert_eq!(bits(list).unwrap(), expected);
        }
        for list in ["x", "3-1", "1-", "0-99999999"] {
            assert!(bits(list).is_err(), "{list}");
        }
    }
}
