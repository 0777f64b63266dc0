//! Builds the image that comes with the daemon: compiles `bin/hello` and packs it into
//! `OUT_DIR/hello-world.tar`. What the archive looks like is in `hello_image.rs`.

mod hello_image;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../hello/src");
    for path in [Path::new("build.rs"), Path::new("hello_image.rs"), &source] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let program = out.join("hello");
    compile(&source, &program)?;
    let architecture = go_architecture(&variable("CARGO_CFG_TARGET_ARCH")?.to_string_lossy());
    let archive = hello_image::archive(&fs::read(&program)?, &architecture)?;
    fs::write(out.join("hello-world.tar"), archive)?;
    Ok(())
}

/// Compiles the program as one static file that needs nothing around it. Cargo cannot do it: the
/// flags are those of this one program, and a build script cannot wait for another binary.
fn compile(source: &Path, program: &Path) -> Result<(), Box<dyn Error>> {
    let mut rustc = Command::new(variable("RUSTC")?);
    // Relative to its folder, no path of the building machine gets into the program.
    rustc.current_dir(source).args(["main.rs", "--crate-name=hello", "--edition=2024"]);
    rustc.arg("--target").arg(variable("TARGET")?).arg("-o").arg(program);
    for flag in [
        "opt-level=s",
        "panic=abort",
        "lto=fat",
        "codegen-units=1",
        "strip=symbols",
        "target-feature=+crt-static",
        "relocation-model=static",
    ] {
        rustc.args(["-C", flag]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = OsString::from("linker=");
        flag.push(linker);
        rustc.arg("-C").arg(flag);
    }
    let status = rustc.status()?;
    if status.success() { Ok(()) } else { Err(format!("compile bin/hello: {status}").into()) }
}

/// The name that images use for the processor.
fn go_architecture(rust: &str) -> String {
    match rust {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
    .to_owned()
}

fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}
