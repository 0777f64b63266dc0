//! Which subnet a network gets that asked for none. Pure.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Docker's: the rest of the private block from 172.17 on in pieces of /16, then 192.168 in pieces of /20.
pub(crate) fn defaults() -> Vec<(Ipv4Net, u8)> {
    let pool =
        |a, b, prefix, piece| (Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix), piece);
    vec![
        pool(172, 17, 16, 16),
        pool(172, 18, 16, 16),
        pool(172, 19, 16, 16),
        pool(172, 20, 14, 16),
        pool(172, 24, 14, 16),
        pool(172, 28, 14, 16),
        pool(192, 168, 16, 20),
    ]
}

/// The first piece that meets nothing that is used already.
pub(crate) fn choose(pools: &[(Ipv4Net, u8)], used: &[Ipv4Net]) -> Option<Ipv4Net> {
    let pieces = pools.iter().filter_map(|(pool, piece)| pool.subnets(*piece).ok()).flatten();
    pieces.into_iter().find(|piece| !used.iter().any(|other| overlap(*piece, *other)))
}

pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_free_piece_is_taken() {
        let pools = defaults();
        assert_eq!(choose(&pools, &[]), Some(net("172.17.0.0/16")));
        assert_eq!(choose(&pools, &[net("172.17.3.0/24")]), Some(net("172.18.0.0/16")));
        let used = [net("172.16.0.0/12")];
        assert_eq!(choose(&pools, &used), Some(net("192.168.0.0/20")));
        let used = [net("172.16.0.0/12"), net("192.168.1.0/24"), net("192.168.16.0/20")];
        assert_eq!(choose(&pools, &used), Some(net("192.168.32.0/20")));
        assert_eq!(choose(&pools, &[net("0.0.0.0/0")]), None);
    }

    #[test]
    fn all_pieces_together_are_as_many_as_docker_s() {
        let (pools, mut used) = (defaults(), Vec::new());
        while let Some(piece) = choose(&pools, &used) {
            used.push(piece);
        }
        assert_eq!(used.len(), 15 + 16);
    }
}
