//! The two calls of 32-bit x86 through which many others pass: `socketcall` and `ipc`, which take the real call's number as
//! their first argument (`linux/net.h`, `linux/ipc.h`).
//!
//! A rule for `socket` would mean nothing there if it did not hold for `socketcall(SYS_SOCKET, …)` as well.

/// The call that carries `name` on 32-bit x86, and the value of its first argument.
pub(crate) fn carrier(name: &str) -> Option<(&'static str, u64)> {
    let in_socketcall = match name {
        "socket" => 1,
        "bind" => 2,
        "connect" => 3,
        "listen" => 4,
        "accept" => 5,
        "getsockname" => 6,
        "getpeername" => 7,
        "socketpair" => 8,
        "send" => 9,
        "recv" => 10,
        "sendto" => 11,
        "recvfrom" => 12,
        "shutdown" => 13,
        "setsockopt" => 14,
        "getsockopt" => 15,
        "sendmsg" => 16,
        "recvmsg" => 17,
        "accept4" => 18,
        "recvmmsg" => 19,
        "sendmmsg" => 20,
        _ => 0,
    };
    if in_socketcall != 0 {
        return Some(("socketcall", in_socketcall));
    }
    let in_ipc = match name {
        "semop" => 1,
        "semget" => 2,
        "semctl" => 3,
        "semtimedop" => 4,
        "msgsnd" => 11,
        "msgrcv" => 12,
        "msgget" => 13,
        "msgctl" => 14,
        "shmat" => 21,
        "shmdt" => 22,
        "shmget" => 23,
        "shmctl" => 24,
        _ => return None,
    };
    Some(("ipc", in_ipc))
}
