//! Messages to a container's name server.

/// The bytes are a datagram.
pub fn run(data: &[u8]) {
    gantry_dns::fuzzing::message(data);
}
