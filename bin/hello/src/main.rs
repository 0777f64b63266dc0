//! The program of the `hello-world` image: it says what had to work for it to be heard.
//!
//! One file without dependencies: the build of `gantryd` compiles it by itself and packs it into
//! the image that comes with the daemon.

use std::io::{self, Write};
use std::process::ExitCode;

const GREETING: &str = "
Hello from Gantry!
If you can read this, your installation works from end to end.

How these lines came to you:
 1. The command line, gantry, asked the daemon, gantryd, for a container of
    the image hello-world.
 2. The daemon looked the image up. This one comes packed into the daemon, as
    an ordinary archive that went through the same door as `gantry load`.
 3. The daemon handed the container to gantry-shim, a small process that stays
    with it, keeps its log, and outlives the daemon if it has to.
 4. The runtime inside the shim built the container: namespaces of its own, a
    root file system with a single file in it, few rights. Then it became that
    file, /hello, which is talking to you now.
 5. What /hello writes goes to the shim, through the daemon, to your terminal.

What to try next:
  Bring an image in:     gantry load -i image.tar
                         docker save busybox | gantry load
                         gantry import rootfs.tar my-system
  Look around in it:     gantry run -it --rm busybox sh
  Leave one running:     gantry run -d --name clock busybox \\
                           sh -c 'while sleep 1; do date; done'
                         gantry logs -f clock
  And clean up:          gantry rm -f clock

";

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(GREETING.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody listens: there is no one to tell.
        Err(_) => ExitCode::FAILURE,
    }
}
