//! Short texts with a syntax of their own: cgroup paths, mount options, units, stdio URIs, attach headers, exit records.

use gantry_cgroup::CgroupPath;
use gantry_shim_protocol::attach::AttachHeader;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::stdio::{Input, Output};

/// The bytes are the text, for each reader.
pub fn run(data: &[u8]) {
    attach_header(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    gantry_runtime::fuzzing::words(text);
    if let Ok(path) = text.parse::<CgroupPath>() {
        let bad = |name: &str| matches!(name, "" | "." | "..");
        assert!(!path.names().split('/').any(bad), "{text:?}");
        assert_eq!(path.to_string().parse::<CgroupPath>().ok(), Some(path));
    }
    if let Ok(output) = Output::parse(text) {
        if let Output::Fifo(path) | Output::File(path) = &output {
            assert!(path.is_absolute());
        }
        assert_eq!(Output::parse(&output.to_string()), Ok(output));
    }
    if let Ok(input) = Input::parse(text) {
        assert_eq!(Input::parse(&input.to_string()), Ok(input));
    }
    if let Some(record) = ExitRecord::find(text, "") {
        let line = record.to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(ExitRecord::parse(line.trim_end()), Ok(record));
    }
}

fn attach_header(data: &[u8]) {
    match AttachHeader::decode(data) {
        Ok(Some((header, length))) => {
            assert_eq!(header.encode().ok().as_deref(), data.get(..length));
        }
        Ok(None) => assert!(AttachHeader::missing_bytes(data) > 0),
        Err(_) => {}
    }
}
