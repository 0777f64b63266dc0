//! A plugin's side of Docker's protocol: JSON over HTTP at a unix socket, one question at a time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use serde_json::Value;

/// Answers questions for ever; `reply` gets a method, as `VolumeDriver.Create`, and its arguments.
///
/// # Errors
/// Nobody can listen there.
pub fn serve(path: &Path, mut reply: impl FnMut(&str, &Value) -> Value) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    for stream in listener.incoming().map_while(Result::ok) {
        // A caller that breaks off has its own reasons; somebody may only have looked whether we listen.
        answer(&stream, &mut reply).unwrap_or(());
    }
    Ok(())
}

fn answer(
    mut stream: &UnixStream,
    reply: &mut impl FnMut(&str, &Value) -> Value,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let method = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let text = reply(method, &serde_json::from_slice(&body).unwrap_or_default()).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    stream.write_all((head + &text).as_bytes())
}
