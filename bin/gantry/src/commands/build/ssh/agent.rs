//! An agent for keys out of files, which lives as long as the build: it tells of its keys and signs with them, and never gives one
//! away (draft-miller-ssh-agent). It listens in a folder that is its user's alone.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::key::Key;
use super::wire::{Reader, put_string};

/// The most bytes of a request, as OpenSSH's agent has it.
const MAX_REQUEST: u32 = 256 << 10;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// See the head of this file. Its socket goes with it.
pub(super) struct Agent {
    folder: PathBuf,
}

impl Agent {
    /// Listens, with these keys, in a new folder of this name among the temporary files.
    pub(super) fn start(keys: Vec<Key>, name: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        // From here on, the folder goes when something fails.
        let agent = Self { folder };
        let listener = gantry_sys::unix_socket::bind_listener(&agent.socket())?;
        let keys: Arc<[Key]> = keys.into();
        thread::Builder::new().name("ssh-agent".to_owned()).spawn(move || {
            for caller in listener.incoming() {
                let Ok(caller) = caller else { continue };
                let keys = Arc::clone(&keys);
                let serving = thread::Builder::new().name("ssh-agent".to_owned());
                // Who cannot be served sees the end of his connection.
                drop(serving.spawn(move || serve(caller, &keys)));
            }
        })?;
        Ok(agent)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        remove(&self.socket(), |path| fs::remove_file(path));
        remove(&self.folder, |path| fs::remove_dir(path));
    }
}

fn remove(path: &Path, by: impl Fn(&Path) -> io::Result<()>) {
    if let Err(error) = by(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        crate::output::remark(&format!("WARNING: cannot remove {}: {error}", path.display()));
    }
}

/// Answers until the caller has gone.
fn serve(mut caller: UnixStream, keys: &[Key]) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        caller.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_REQUEST {
            return Ok(());
        }
        let mut request = vec![0; length as usize];
        caller.read_exact(&mut request)?;
        let mut framed = Vec::new();
        put_string(&mut framed, &answer(&request, keys));
        caller.write_all(&framed)?;
    }
}

fn answer(request: &[u8], keys: &[Key]) -> Vec<u8> {
    let signed = |request: &[u8]| {
        let mut reader = Reader::new(request);
        let (public, data, flags) = (reader.string()?, reader.string()?, reader.number()?);
        let key = keys.iter().find(|key| key.public == public)?;
        let mut out = vec![SIGN_RESPONSE];
        put_string(&mut out, &key.sign(data, flags)?);
        Some(out)
    };
    match request.split_first() {
        Some((&REQUEST_IDENTITIES, _)) => {
            let mut out = vec![IDENTITIES_ANSWER];
            out.extend_from_slice(&u32::try_from(keys.len()).unwrap_or(u32::MAX).to_be_bytes());
            for key in keys {
                put_string(&mut out, &key.public);
                put_string(&mut out, key.comment.as_bytes());
            }
            out
        }
        Some((&SIGN_REQUEST, rest)) => signed(rest).unwrap_or_else(|| vec![FAILURE]),
        // Nobody adds keys, removes them, or locks them away.
        _ => vec![FAILURE],
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn openssh(program: &str, words: &[&str], agent: &Path, input: &str) -> (bool, String) {
        let mut command = Command::new(program);
        command.args(words).env("SSH_AUTH_SOCK", agent);
        let input_path = agent.with_extension("input");
        fs::write(&input_path, input).unwrap();
        let done = command.stdin(fs::File::open(&input_path).unwrap()).output().unwrap();
        fs::remove_file(input_path).unwrap();
        let text = String::from_utf8(done.stdout).unwrap() + &String::from_utf8_lossy(&done.stderr);
        (done.status.success(), text)
    }

    /// Makes a key by the program that users have, has the agent sign with it, and the program check that.
    fn check(kind: &[&str], name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let path = file.to_str().unwrap();
        let words = [&["-q", "-N", "", "-C", "a comment", "-f", path], kind].concat();
        let made = Command::new("ssh-keygen").args(&words).status().unwrap();
        assert!(made.success(), "{kind:?}");
        let key = Key::read(&file).unwrap();
        // Only the agent has it from here on.
        fs::remove_file(&file).unwrap();
        let number = std::process::id();
        let agent = Agent::start(vec![key], &format!("gantry-agent-test-{number}-{name}")).unwrap();
        let socket = agent.socket();
        let (listed, text) = openssh("ssh-add", &["-L"], &socket, "");
        let public = fs::read_to_string(folder.path().join("key.pub")).unwrap();
        assert!(listed, "{text}");
        let wanted: Vec<&str> = public.split(' ').take(2).collect();
        assert_eq!(text.split(' ').take(2).collect::<Vec<_>>(), wanted, "{kind:?}");
        let public = format!("{path}.pub");
        let sign = ["-Y", "sign", "-n", "test", "-f", &public];
        let (signed, signature) = openssh("ssh-keygen", &sign, &socket, "some words");
        assert!(signed, "{kind:?}: {signature}");
        let file = folder.path().join("signature");
        fs::write(&file, signature).unwrap();
        let words = ["-Y", "check-novalidate", "-n", "test", "-s", file.to_str().unwrap()];
        let (good, said) = openssh("ssh-keygen", &words, &socket, "some words");
        assert!(good, "{kind:?}: {said}");
        assert!(!openssh("ssh-keygen", &words, &socket, "other words").0, "{kind:?}");
        drop(agent);
        assert!(!socket.parent().unwrap().exists());
    }

    #[test]
    fn keys_of_every_kind_sign_and_openssh_believes_it() {
        check(&["-t", "ed25519"], "ed25519");
        check(&["-t", "ecdsa", "-b", "256"], "p256");
        check(&["-t", "ecdsa", "-b", "384"], "p384");
        check(&["-t", "rsa", "-b", "2048"], "rsa");
        check(&["-t", "rsa", "-b", "3072", "-m", "PEM"], "pkcs1");
        check(&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], "pkcs8");
        check(&["-t", "ecdsa", "-b", "256", "-m", "PKCS8"], "p256-pkcs8");
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let place = path.to_str().unwrap();
        for (words, reason) in [
            (&["-t", "ed25519", "-N", "passphrase"][..], "it has a passphrase"),
            (&["-t", "rsa", "-N", "passphrase", "-m", "PEM"], "it has a passphrase"),
            (&["-t", "rsa", "-N", "passphrase", "-m", "PKCS8"], "it has a passphrase"),
            (&["-t", "ecdsa", "-b", "521", "-N", ""], "its kind is none of"),
            (&["-t", "rsa", "-b", "1024", "-N", ""], "its kind is none of"),
        ] {
            let made = Command::new("ssh-keygen").args(words).args(["-q", "-f", place]).status();
            assert!(made.unwrap().success(), "{words:?}");
            let error = Key::read(&path).err().unwrap();
            assert!(error.starts_with(reason), "{words:?}: {error}");
            fs::remove_file(&path).unwrap();
        }
        for text in ["", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "words"] {
            fs::write(&path, text).unwrap();
            assert_eq!(Key::read(&path).err().unwrap(), "it is no private key of SSH", "{text:?}");
        }
        assert!(Key::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn what_is_not_understood_fails() {
        for request in [&[][..], &[17, 1, 2], &[SIGN_REQUEST, 0, 0, 0, 9], &[0]] {
            assert_eq!(answer(request, &[]), [FAILURE]);
        }
        assert_eq!(answer(&[REQUEST_IDENTITIES], &[]), [IDENTITIES_ANSWER, 0, 0, 0, 0]);
    }
}
