//! Which subnet a network gets that asked for none. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The piece of the organisation's own block that a daemon has for its networks, in pieces of /64.
const OWN_PREFIX: u8 = 48;
const PIECE: u8 = 64;

/// Docker's: the rest of the private block from 172.17 on in pieces of /16, then 192.168 in pieces of /20.
pub(crate) fn defaults() -> Vec<(IpNet, u8)> {
    let pool = |a, b, prefix, piece| {
        (Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix).into(), piece)
    };
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

/// Unique local addresses (RFC 4193): 40 bits that are always the same for one daemon, and hardly any other's. `seed` is anything that
/// belongs to it alone; it is hashed by FNV-1a.
pub(crate) fn unique_local(seed: &str) -> (IpNet, u8) {
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let bits = (0xfd_u128 << 120) | (u128::from(hash >> 24) << 80);
    (Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), OWN_PREFIX).into(), PIECE)
}

/// The first piece of the family that meets nothing that is used already.
pub(crate) fn choose4(pools: &[(IpNet, u8)], used: &[IpNet]) -> Option<Ipv4Net> {
    let pools = pools.iter().filter_map(|(pool, piece)| match pool {
        IpNet::V4(pool) => pool.subnets(*piece).ok(),
        IpNet::V6(_) => None,
    });
    pools.flatten().find(|piece| is_free((*piece).into(), used))
}

/// See [`choose4`].
pub(crate) fn choose6(pools: &[(IpNet, u8)], used: &[IpNet]) -> Option<Ipv6Net> {
    let pools = pools.iter().filter_map(|(pool, piece)| match pool {
        IpNet::V6(pool) => pool.subnets(*piece).ok(),
        IpNet::V4(_) => None,
    });
    pools.flatten().find(|piece| is_free((*piece).into(), used))
}

fn is_free(piece: IpNet, used: &[IpNet]) -> bool {
    !used.iter().any(|other| overlap(piece, *other))
}

pub(crate) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn choose(used: &[IpNet]) -> Option<String> {
        choose4(&defaults(), used).map(|net| net.to_string())
    }

    #[test]
    fn the_first_free_piece_is_taken() {
        assert_eq!(choose(&[]).unwrap(), "172.17.0.0/16");
        assert_eq!(choose(&[net("172.17.3.0/24"), net("fd00::/8")]).unwrap(), "172.18.0.0/16");
        let used = [net("172.16.0.0/12")];
        assert_eq!(choose(&used).unwrap(), "192.168.0.0/20");
        let used = [net("172.16.0.0/12"), net("192.168.1.0/24"), net("192.168.16.0/20")];
        assert_eq!(choose(&used).unwrap(), "192.168.32.0/20");
        assert_eq!(choose(&[net("0.0.0.0/0")]), None);
    }

    #[test]
    fn all_pieces_together_are_as_many_as_docker_s() {
        let (pools, mut used) = (defaults(), Vec::new());
        while let Some(piece) = choose4(&pools, &used) {
            used.push(piece.into());
        }
        assert_eq!(used.len(), 15 + 16);
    }

    #[test]
    fn a_daemon_s_own_block_is_always_the_same() {
        let (block, piece) = unique_local("one");
        assert_eq!((block, piece), unique_local("one"));
        assert_ne!(block, unique_local("other").0);
        assert!(net("fd00::/8").contains(&block) && block.prefix_len() == 48);
        let first = choose6(&[(block, piece)], &[]).unwrap();
        assert_eq!((first.network(), first.prefix_len()), (first.addr(), 64));
        let second = choose6(&[(block, piece)], &[first.into()]).unwrap();
        assert_eq!(second.network().segments()[3], 1);
    }
}
