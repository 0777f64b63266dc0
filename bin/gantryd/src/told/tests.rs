//! Flags and file together, as `dockerd` treats them.

use clap::Parser;

use super::*;

/// What these flags and this file say; the error as whoever started the daemon reads it.
pub(crate) fn given(flags: &[&str], file: &str) -> Result<Given, String> {
    let flags = Flags::try_parse_from([&["gantryd"], flags].concat()).unwrap();
    let file = serde_json::from_str(file).unwrap();
    Told::new(&flags)
        .with(file)
        .map_err(|fault| gantry_types::error_chain(&fault.of("/etc/d.json".into())))
}

/// What `dockerd --help` of version 28 lists.
const FLAGS: &str = "
    add-runtime allow-direct-routing authorization-plugin bip bip6 bridge bridge-accept-fwmark
    cdi-spec-dir cgroup-parent config-file containerd containerd-namespace
    containerd-plugins-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug
    default-address-pool default-cgroupns-mode default-gateway default-gateway-v6
    default-ipc-mode default-network-opt default-runtime default-shm-size default-ulimit dns
    dns-opt dns-search exec-opt exec-root experimental feature firewall-backend fixed-cidr
    fixed-cidr-v6 group help host host-gateway-ip http-proxy https-proxy icc init init-path
    insecure-registry ip ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 label
    live-restore log-driver log-format log-level log-opt max-concurrent-downloads
    max-concurrent-uploads max-download-attempts metrics-addr mtu network-control-plane-mtu
    no-new-privileges no-proxy node-generic-resource pidfile raw-logs registry-mirror rootless
    seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opt
    swarm-default-advertise-addr tls tlscacert tlscert tlskey tlsverify userland-proxy
    userland-proxy-path userns-remap validate version
";

/// The keys of Docker's file for one host.
const KEYS: &str = "
    allow-nondistributable-artifacts authorization-plugins bip bridge builder cdi-spec-dirs
    cgroup-parent containerd containerd-namespace containerd-plugin-namespace data-root debug
    default-address-pools default-cgroupns-mode default-gateway default-gateway-v6
    default-ipc-mode default-network-opts default-runtime default-shm-size default-ulimits dns
    dns-opts dns-search exec-opts exec-root experimental features firewall-backend fixed-cidr
    fixed-cidr-v6 group host-gateway-ips hosts http-proxy icc init init-path insecure-registries
    ip ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 labels live-restore
    log-driver log-format log-level log-opts max-concurrent-downloads max-concurrent-uploads
    max-download-attempts metrics-addr mtu network-control-plane-mtu network-diagnostic-port
    no-new-privileges node-generic-resources pidfile raw-logs registry-mirrors resolv-conf
    runtimes seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opts
    swarm-default-advertise-addr tls tlscacert tlscert tlskey tlsverify userland-proxy
    userland-proxy-path userns-remap
";

#[test]
fn one_of_the_two_says_it() {
    let one = given(&["--mtu=1400", "-D", "--label", "a=b"], r#"{"hosts":["fd://"],"icc":false}"#);
    let one = one.unwrap();
    assert_eq!(
        (one.networks.mtu, one.debug, one.networks.icc),
        (Some(1400), Some(true), Some(false))
    );
    assert_eq!(one.hosts.unwrap(), ["fd://"]);
    assert_eq!(one.labels.unwrap(), ["a=b"]);
    let none = given(&[], "{}").unwrap();
    assert!(none.debug.is_none() && none.hosts.is_none() && none.features.is_none());
    let off = given(&["--debug=false", "--feature", "cdi=false"], "{}").unwrap();
    assert_eq!((off.debug, off.features.unwrap()[0].value), (Some(false), false));
}

#[test]
fn what_both_say_is_named_with_both_values() {
    let error = given(&["-D", "-H", "fd://"], r#"{"debug":true,"hosts":["unix:///s"],"mtu":1400}"#);
    assert_eq!(
        error.unwrap_err(),
        "unable to configure the daemon with file /etc/d.json: the following directives are specified both as a flag \
         and in the configuration file: debug: (from flag: true, from file: true), hosts: (from flag: [\"fd://\"], \
         from file: [\"unix:///s\"])"
    );
    let error = given(&["--http-proxy", "http://u:secret@p"], r#"{"http-proxy":"http://q"}"#);
    assert!(!error.unwrap_err().contains("secret"));
}

#[test]
fn unknown_keys_and_wrong_values_are_named() {
    let error = given(&[], r#"{"data-rot":"/d","mtu":1400,"nice":1}"#).unwrap_err();
    assert!(
        error.ends_with(
            "the following directives don't match any configuration option: data-rot, nice"
        ),
        "{error}"
    );
    for (file, key) in [
        (r#"{"mtu":"1400"}"#, "mtu"),
        (r#"{"debug":"yes"}"#, "debug"),
        (r#"{"layer-format":"zfs"}"#, "layer-format"),
        (r#"{"hosts":"unix:///s"}"#, "hosts"),
        (r#"{"log-opts":{"max-size":10}}"#, "log-opts"),
        (r#"{"default-address-pools":[{"base":"10.0.0.0/8"}]}"#, "default-address-pools"),
    ] {
        let error = given(&[], file).unwrap_err();
        assert!(error.contains(&format!("the value of {key}")), "{file}: {error}");
    }
}

#[test]
fn every_flag_of_dockerd_is_there() {
    let flags: Vec<&str> = FLAGS.split_whitespace().collect();
    let command = <Flags as clap::CommandFactory>::command();
    let known: Vec<&str> = command.get_arguments().filter_map(|one| one.get_long()).collect();
    let missing: Vec<&&str> =
        flags.iter().filter(|flag| **flag != "help" && !known.contains(flag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    command.debug_assert();
}

#[test]
fn every_key_of_docker_s_file_is_there() {
    let keys: Vec<&str> = KEYS.split_whitespace().collect();
    let known = all_keys();
    let missing: Vec<&&str> = keys.iter().filter(|key| !known.contains_key(**key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
