//! The lines of a `schemata` file: a resource, and a value for each of its domains.

use gantry_oci::runtime::IntelRdt;

/// The lines to write, in the order in which they take effect. A bandwidth in the cache's schema is overruled by the bandwidth's own.
pub(super) fn lines(asked: &IntelRdt) -> Vec<String> {
    let has_bandwidth = !asked.mem_bw_schema.is_empty();
    let cache = asked
        .l3_cache_schema
        .lines()
        .filter(|line| !(has_bandwidth && line.trim_start().starts_with("MB:")));
    let rest = asked.schemata.iter().flat_map(|text| text.lines());
    cache
        .chain(asked.mem_bw_schema.lines())
        .chain(rest)
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Whether a file's text says all that the line says. Numbers count, not how they are written.
pub(super) fn holds(text: &str, line: &str) -> bool {
    let Some((resource, wanted)) = parse(line) else { return false };
    text.lines()
        .filter_map(parse)
        .filter(|(found, _)| *found == resource)
        .any(|(_, found)| wanted.iter().all(|domain| found.contains(domain)))
}

/// A resource and its domains, each with its value.
type Line<'a> = (&'a str, Vec<(u32, u64)>);

fn parse(line: &str) -> Option<Line<'_>> {
    let (resource, domains) = line.split_once(':')?;
    let resource = resource.trim();
    // Bandwidths are decimal, masks of caches are hexadecimal.
    let radix = if resource.starts_with("MB") { 10 } else { 16 };
    let domains = domains
        .split(';')
        .map(|domain| {
            let (domain, value) = domain.split_once('=')?;
            Some((domain.trim().parse().ok()?, u64::from_str_radix(value.trim(), radix).ok()?))
        })
        .collect::<Option<_>>()?;
    Some((resource, domains))
}
