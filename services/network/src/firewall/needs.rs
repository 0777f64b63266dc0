//! What the rules need of the kernel. Many of its modules are small ones that a kernel of the user's own making can lack, and its own
//! answer to a rule that needs one is "no such file".

use gantry_netlink::nftables::{Base, Expression, Hook, Nat, Register, Table};
use gantry_netlink::{Request, Socket};
use rustix::io::Errno;

use crate::{Error, Result};

const CHAIN: &str = "probe";
/// `NFT_CT_STATE`.
const CONNECTION_STATE: u32 = 0;

/// A module, and a chain with a rule that needs it and no other one of this list.
struct Need {
    module: &'static str,
    base: Base,
    rule: fn() -> Vec<Expression>,
}

const fn base(kind: &'static str, hook: Hook) -> Base {
    Base { kind, hook, priority: 0 }
}

const NEEDS: [Need; 6] = [
    Need { module: "nf_tables", base: base("filter", Hook::Forward), rule: Vec::new },
    Need { module: "nft_chain_nat", base: base("nat", Hook::Prerouting), rule: Vec::new },
    Need {
        module: "nft_ct",
        base: base("filter", Hook::Forward),
        rule: || vec![Expression::Connection { key: CONNECTION_STATE, to: Register::A }],
    },
    Need {
        module: "nft_fib_inet",
        base: base("filter", Hook::Prerouting),
        rule: || vec![Expression::DestinationType { to: Register::A }],
    },
    Need { module: "nft_nat", base: base("nat", Hook::Prerouting), rule: led },
    Need {
        module: "nft_masq",
        base: base("nat", Hook::Postrouting),
        rule: || vec![Expression::Nat(Nat::Masquerade)],
    },
];

fn led() -> Vec<Expression> {
    vec![
        Expression::Load { value: vec![127, 0, 0, 1], to: Register::A },
        Expression::Load { value: vec![0, 80], to: Register::B },
        Expression::Nat(Nat::Destination4 { address: Register::A, port: Register::B }),
    ]
}

/// Makes sure that the kernel knows what the rules are made of. Nothing of it is ever to be seen: the table goes by the transaction that
/// makes it.
///
/// # Errors
/// Every module that is missing is named.
pub(crate) fn check() -> Result<()> {
    let mut socket = match Socket::netfilter() {
        Ok(socket) => socket,
        Err(error) if is_unknown(&error) => return Err(lacks(&NEEDS.iter().collect::<Vec<_>>())),
        Err(error) => return Err(error.into()),
    };
    let Err(refused) = socket.commit(&requests(NEEDS.iter())) else {
        socket.leave();
        return Ok(());
    };
    let mut missing = Vec::new();
    for need in &NEEDS {
        match socket.commit(&requests([need])) {
            Err(error) if is_unknown(&error) => missing.push(need),
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
    }
    if missing.is_empty() { Err(refused.into()) } else { Err(lacks(&missing)) }
}

fn requests<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Vec<Request> {
    let table = Table::new(format!("gantry-probe-{}", std::process::id()));
    let mut requests = vec![table.add()];
    for need in needs {
        let chain = format!("{CHAIN}-{}", need.module);
        requests.push(table.add_chain(&chain, Some(need.base)));
        let rule = (need.rule)();
        if !rule.is_empty() {
            requests.push(table.add_rule(&chain, &rule));
        }
    }
    requests.push(table.delete());
    requests
}

/// Whether the kernel does not know what it was asked for. That it may not be asked is another matter.
fn is_unknown(error: &gantry_netlink::Error) -> bool {
    let source =
        std::error::Error::source(error).and_then(|it| it.downcast_ref::<std::io::Error>());
    let number = source.and_then(std::io::Error::raw_os_error);
    [Errno::NOENT, Errno::OPNOTSUPP, Errno::INVAL, Errno::PROTONOSUPPORT]
        .iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}

fn lacks(missing: &[&Need]) -> Error {
    let names: Vec<&str> = missing.iter().map(|need| need.module).collect();
    Error::NoPacketFilter { missing: names.join(", ") }
}
