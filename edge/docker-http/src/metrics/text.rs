//! Prometheus's text format, version 0.0.4: families of samples, each with its help and type before it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use gantry_engine::system::{BOUNDS_MS, EngineFigures, Times};

use super::requests::{Figures, Key};

/// Docker's words for what happens to containers, and the routes that do it.
const CONTAINER_ACTIONS: [(&str, &str, &str); 5] = [
    ("changes", "GET", "/containers/{name}/changes"),
    ("commit", "POST", "/commit"),
    ("create", "POST", "/containers/create"),
    ("delete", "DELETE", "/containers/{name}"),
    ("start", "POST", "/containers/{name}/start"),
];
const IMAGE_ACTIONS: [(&str, &str, &str); 5] = [
    ("delete", "DELETE", "/images/{name}"),
    ("load", "POST", "/images/load"),
    ("pull", "POST", "/images/create"),
    ("push", "POST", "/images/{name}/push"),
    ("tag", "POST", "/images/{name}/tag"),
];
const NETWORK_ACTIONS: [(&str, &str, &str); 4] = [
    ("connect", "POST", "/networks/{name}/connect"),
    ("create", "POST", "/networks/create"),
    ("delete", "DELETE", "/networks/{name}"),
    ("disconnect", "POST", "/networks/{name}/disconnect"),
];
const HOST_INFO: [(&str, &str, &str); 1] = [("system_info", "GET", "/info")];

/// All of it.
pub(super) fn written(engine: &EngineFigures, requests: &Figures) -> String {
    let requests = requests.all();
    let mut page = Page(String::with_capacity(32 << 10));
    let builds = of_route(&requests, "POST", "/build", |_| true);
    page.one("builder_builds_triggered_total", COUNTER, "Builds that were asked for", builds.count);
    let name = "builder_builds_failed_total";
    page.head(name, COUNTER, "Builds that failed");
    for (reason, count) in &engine.failed_builds {
        page.sample(name, &[("reason", *reason)], count);
    }
    page.actions("engine_daemon_container_actions_seconds", &requests, &CONTAINER_ACTIONS);
    page.actions("engine_daemon_host_info_functions_seconds", &requests, &HOST_INFO);
    page.actions("engine_daemon_image_actions_seconds", &requests, &IMAGE_ACTIONS);
    page.actions("engine_daemon_network_actions_seconds", &requests, &NETWORK_ACTIONS);
    of_engine(&mut page, engine);
    of_logs(&mut page, engine);
    of_objects(&mut page, engine);
    of_process(&mut page, engine);
    of_requests(&mut page, &requests);
    page.0
}

fn of_engine(page: &mut Page, engine: &EngineFigures) {
    let states =
        [("paused", engine.paused), ("running", engine.running), ("stopped", engine.stopped)];
    let name = "engine_daemon_container_states_containers";
    page.head(name, GAUGE, "Containers by state");
    for (state, count) in states {
        page.sample(name, &[("state", state)], count);
    }
    page.one("engine_daemon_engine_cpus_cpus", GAUGE, "Processors of the host", engine.cpus);
    page.one("engine_daemon_engine_memory_bytes", GAUGE, "Memory of the host", engine.memory_bytes);
    let name = "engine_daemon_engine_info";
    page.head(name, GAUGE, "What this engine and its host are");
    let labels: Vec<(&str, &str)> =
        engine.info.iter().map(|(label, value)| (*label, value.as_str())).collect();
    page.sample(name, &labels, 1);
    page.one("engine_daemon_events_total", COUNTER, "Events that were told", engine.events);
    page.one(
        "engine_daemon_events_subscribers_total",
        GAUGE,
        "Clients that listen to events now",
        engine.event_listeners,
    );
    page.one("engine_daemon_health_checks_total", COUNTER, "Probes of containers", engine.probes);
    page.one(
        "engine_daemon_health_checks_failed_total",
        COUNTER,
        "Probes of containers that failed",
        engine.failed_probes,
    );
    let name = "engine_daemon_health_check_start_duration_seconds";
    page.head(name, "histogram", "How long it took until a probe ran");
    page.times(name, &[], &engine.probe_starts);
}

/// Of logs, what containers' shims counted.
fn of_logs(page: &mut Page, engine: &EngineFigures) {
    let logs = &engine.logs;
    for (name, help, count) in [
        (
            "logger_log_entries_size_greater_than_buffer_total",
            "Lines of output that are longer than an entry of a log",
            logs.long_lines,
        ),
        (
            "logger_log_read_operations_failed_total",
            "Reads of containers' output that failed",
            logs.failed_reads,
        ),
        (
            "logger_log_write_operations_failed_total",
            "Writes to containers' logs that failed",
            logs.failed_writes,
        ),
    ] {
        page.one(name, COUNTER, help, count);
    }
}

fn of_objects(page: &mut Page, engine: &EngineFigures) {
    for (name, help, count) in [
        ("gantry_images", "Images in the store", engine.images),
        ("gantry_networks", "Networks", engine.networks),
        ("gantry_volumes", "Volumes", engine.volumes),
        ("gantry_execs", "Further processes in containers that are remembered", engine.execs),
        ("gantry_database_bytes", "The database and its log on the disk", engine.database_bytes),
    ] {
        page.one(name, GAUGE, help, count);
    }
}

fn of_process(page: &mut Page, engine: &EngineFigures) {
    let process = &engine.process;
    page.one(
        "process_cpu_seconds_total",
        COUNTER,
        "Processor time of the daemon",
        process.cpu_seconds,
    );
    for (name, help, count) in [
        ("process_open_fds", "Open files of the daemon", process.open_files),
        ("process_max_fds", "How many files the daemon may open", process.most_files),
        ("process_threads", "Threads of the daemon", process.threads),
        ("process_resident_memory_bytes", "Memory of the daemon", process.resident_bytes),
        ("process_virtual_memory_bytes", "Address space of the daemon", process.virtual_bytes),
    ] {
        page.one(name, GAUGE, help, count);
    }
    page.one(
        "process_start_time_seconds",
        GAUGE,
        "When the daemon was started, in seconds since 1970",
        process.start_seconds,
    );
}

fn of_requests(page: &mut Page, requests: &BTreeMap<Key, Times>) {
    let name = "gantry_http_requests_total";
    page.head(name, COUNTER, "Requests by route and status");
    for (key, times) in requests {
        let status = key.status.to_string();
        let labels = [("method", key.method), ("route", key.route), ("status", status.as_str())];
        page.sample(name, &labels, times.count);
    }
    let mut by_route: BTreeMap<(&str, &str), Times> = BTreeMap::new();
    for (key, times) in requests {
        let all = by_route.entry((key.method, key.route)).or_default();
        *all = all.and(times);
    }
    let name = "gantry_http_request_seconds";
    page.head(name, "histogram", "How long requests took until their answer began");
    for ((method, route), times) in &by_route {
        page.times(name, &[("method", *method), ("route", *route)], times);
    }
}

/// The requests of one route whose status is one of those.
fn of_route(
    requests: &BTreeMap<Key, Times>,
    method: &str,
    route: &str,
    wanted: impl Fn(u16) -> bool,
) -> Times {
    requests
        .iter()
        .filter(|(key, _)| key.method == method && key.route == route && wanted(key.status))
        .fold(Times::default(), |all, (_, times)| all.and(times))
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    fn times(&mut self, name: &str, labels: &[(&str, &str)], times: &Times) {
        let bucket = format!("{name}_bucket");
        for (bound_ms, within) in BOUNDS_MS.iter().zip(times.within) {
            let bound = (f64::from(*bound_ms) / 1000.0).to_string();
            self.sample(&bucket, &[labels, &[("le", bound.as_str())]].concat(), within);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), times.count);
        self.sample(&format!("{name}_sum"), labels, times.seconds);
        self.sample(&format!("{name}_count"), labels, times.count);
    }

    /// Docker's timers: what was done by requests that went well.
    fn actions(
        &mut self,
        name: &str,
        requests: &BTreeMap<Key, Times>,
        actions: &[(&str, &str, &str)],
    ) {
        let label = if name.contains("functions") { "function" } else { "action" };
        self.head(name, "histogram", "How long actions took that went well");
        for (action, method, route) in actions {
            let times = of_route(requests, method, route, |status| (200..300).contains(&status));
            self.times(name, &[(label, *action)], &times);
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a string never fails.
        writeln!(self.0, "{text}").unwrap_or(());
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_engine::system::LogFigures;

    #[test]
    fn the_format_is_kept() {
        let figures = Figures::default();
        let engine = EngineFigures {
            running: 2,
            failed_builds: vec![("build_canceled", 3)],
            logs: LogFigures { failed_reads: 5, failed_writes: 6, long_lines: 7 },
            info: vec![("os", "a \"b\"\\\n".to_owned())],
            ..EngineFigures::default()
        };
        let text = written(&engine, &figures);
        for line in [
            "# TYPE engine_daemon_container_states_containers gauge",
            "engine_daemon_container_states_containers{state=\"running\"} 2",
            "engine_daemon_container_actions_seconds_bucket{action=\"start\",le=\"0.005\"} 0",
            "engine_daemon_container_actions_seconds_count{action=\"create\"} 0",
            "engine_daemon_engine_info{os=\"a \\\"b\\\"\\\\\\n\"} 1",
            "builder_builds_triggered_total 0",
            "engine_daemon_health_check_start_duration_seconds_bucket{le=\"+Inf\"} 0",
            "logger_log_read_operations_failed_total 5",
            "logger_log_write_operations_failed_total 6",
            "logger_log_entries_size_greater_than_buffer_total 7",
            "builder_builds_failed_total{reason=\"build_canceled\"} 3",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
        // Each family is described once, and no sample stands without one.
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let mut once = names.clone();
        once.dedup();
        assert_eq!(names, once);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(names.iter().any(|family| name.starts_with(family)), "{line}");
        }
    }
}
