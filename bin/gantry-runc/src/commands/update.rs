//! `update [--resources FILE] [LIMITS] ID`: a document, with `-` for the standard input, or single limits by flag. The resource
//! director's schemata are no part of that document: their flags go with both.

use std::io;
use std::str::FromStr;

use gantry_oci::runtime::{BlockIo, Cpu, IntelRdt, LinuxResources, Memory, Pids};
use gantry_types::ByteSize;

use crate::arguments::{Arguments, Flag, value};
use crate::commands::create::{read_bounded, read_document};
use crate::error::Error;
use crate::global::Global;

const FLAGS: [Flag; 19] = [
    value("resources").short("r"),
    value("blkio-weight"),
    value("cpu-period"),
    value("cpu-quota"),
    value("cpu-burst"),
    value("cpu-share"),
    value("cpu-rt-period"),
    value("cpu-rt-runtime"),
    value("cpu-idle"),
    value("cpuset-cpus"),
    value("cpuset-mems"),
    // Kernels count this memory together with the rest; the flag is taken and left alone, as callers expect.
    value("kernel-memory"),
    value("kernel-memory-tcp"),
    value("memory").short("m"),
    value("memory-reservation"),
    value("memory-swap"),
    value("pids-limit"),
    value("l3-cache-schema"),
    value("mem-bw-schema"),
];

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("update", &FLAGS, args)?;
    let resources = match args.get("resources") {
        Some(path) => read(path)?,
        None => from_flags(&args)?,
    };
    let state_dir = global.state_dir(args.only_id("update")?)?;
    if resources != LinuxResources::default() {
        gantry_runtime::update(&state_dir, &resources)?;
    }
    match schemata(&args) {
        None if resources == LinuxResources::default() => {
            // Nothing to change; but a container that is not there is an error all the same.
            gantry_runtime::state(&state_dir)?;
        }
        None => {}
        Some(schemata) => gantry_runtime::update_resctrl(&state_dir, &schemata)?,
    }
    Ok(0)
}

fn read(path: &str) -> Result<LinuxResources, Error> {
    let failed = |source| Error::File { what: "read", path: path.into(), source };
    let text =
        if path == "-" { read_bounded(io::stdin().lock()) } else { read_document(path.as_ref()) };
    let text = text.map_err(failed)?;
    serde_json::from_slice(&text).map_err(|source| Error::Parse { path: path.into(), source })
}

fn schemata(args: &Arguments) -> Option<IntelRdt> {
    let text = |name| args.get(name).unwrap_or_default().to_owned();
    let asked = IntelRdt {
        l3_cache_schema: text("l3-cache-schema"),
        mem_bw_schema: text("mem-bw-schema"),
        ..IntelRdt::default()
    };
    (asked != IntelRdt::default()).then_some(asked)
}

/// Parts that no flag names stay absent: they mean "leave it as it is".
fn from_flags(args: &Arguments) -> Result<LinuxResources, Error> {
    let cpu = Cpu {
        shares: number(args, "cpu-share")?,
        quota: number(args, "cpu-quota")?,
        burst: number(args, "cpu-burst")?,
        period: number(args, "cpu-period")?,
        realtime_runtime: number(args, "cpu-rt-runtime")?,
        realtime_period: number(args, "cpu-rt-period")?,
        cpus: args.get("cpuset-cpus").unwrap_or_default().to_owned(),
        mems: args.get("cpuset-mems").unwrap_or_default().to_owned(),
        idle: number(args, "cpu-idle")?,
    };
    let memory = Memory {
        limit: size(args, "memory")?,
        reservation: size(args, "memory-reservation")?,
        swap: size(args, "memory-swap")?,
        kernel_tcp: size(args, "kernel-memory-tcp")?,
        ..Memory::default()
    };
    let pids = number(args, "pids-limit")?.map(|limit| Pids { limit: Some(limit) });
    let weight = number(args, "blkio-weight")?;
    Ok(LinuxResources {
        cpu: (cpu != Cpu::default()).then_some(cpu),
        memory: (memory != Memory::default()).then_some(memory),
        pids,
        block_io: weight.map(|weight| BlockIo { weight: Some(weight), ..BlockIo::default() }),
        ..LinuxResources::default()
    })
}

/// An empty value is what callers give for "not this one".
fn number<N: FromStr>(args: &Arguments, name: &str) -> Result<Option<N>, Error> {
    let Some(text) = args.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Error::usage(format!("update: --{name} cannot be {text:?}"))),
    }
}

/// Bytes with or without a unit; -1 is unlimited.
fn size(args: &Arguments, name: &str) -> Result<Option<i64>, Error> {
    let Some(text) = args.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text == "-1" {
        return Ok(Some(-1));
    }
    let bytes = text.parse::<ByteSize>().ok().and_then(|size| i64::try_from(size.bytes()).ok());
    let refused = || Error::usage(format!("update: --{name} {text:?} is not a size in bytes"));
    bytes.map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<LinuxResources, Error> {
        let args = line.split_whitespace().map(str::to_owned).collect();
        from_flags(&Arguments::parse("update", &FLAGS, args).unwrap())
    }

    #[test]
    fn flags_become_the_document_that_they_stand_for() {
        let line = "--memory 64m --memory-swap -1 --cpu-quota=-1 --cpu-share 7 --cpuset-cpus 0-1 \
            --pids-limit 0 --blkio-weight 10 --kernel-memory 5m id";
        let expected: LinuxResources = serde_json::from_str(
            r#"{"memory": {"limit": 67108864, "swap": -1}, "pids": {"limit": 0},
                "cpu": {"quota": -1, "shares": 7, "cpus": "0-1"}, "blockIO": {"weight": 10}}"#,
        )
        .unwrap();
        assert_eq!(parse(line).unwrap(), expected);
        assert_eq!(parse("id").unwrap(), LinuxResources::default());
    }

    #[test]
    fn a_document_without_end_is_refused() {
        let error = read("/dev/zero").unwrap_err().full_text();
        assert!(error.contains("/dev/zero") && error.contains("larger than"), "{error}");
    }

    #[test]
    fn what_is_no_limit_is_named() {
        for (line, words) in [
            ("--memory lots x", "--memory \"lots\""),
            ("--cpu-share -1 x", "--cpu-share cannot be \"-1\""),
            ("--pids-limit many x", "--pids-limit cannot be"),
            ("--blkio-weight 70000 x", "--blkio-weight"),
        ] {
            let text = parse(line).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
