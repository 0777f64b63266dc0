//! The options of a tmpfs, of `--tmpfs` and of `--mount type=tmpfs` alike: only what `tmpfs(5)` and mount(8) know for
//! one. A word that means something else to the runtime, such as `bind`, never gets through.

/// Checked options.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TmpfsOptions {
    pub words: Vec<String>,
    /// `ro` or `rw`, the later one, where one of them was there.
    pub read_only: Option<bool>,
}

/// Docker's defaults with `options` put on top, later ones winning; or the first option that a tmpfs does not have.
pub(super) fn parse<'a>(
    options: impl IntoIterator<Item = &'a str>,
) -> Result<TmpfsOptions, &'a str> {
    let mut words = ["nosuid", "nodev", "noexec"].map(str::to_owned).to_vec();
    let mut read_only = None;
    for option in options {
        match option.split_once('=') {
            None => match option {
                "ro" => read_only = Some(true),
                "rw" => read_only = Some(false),
                "exec" | "suid" | "dev" => {
                    words.retain(|word| word.strip_prefix("no") != Some(option));
                }
                "noexec" | "nosuid" | "nodev" | "noatime" | "nodiratime" | "relatime"
                | "strictatime" | "sync" | "async" | "dirsync" => {
                    if words.iter().all(|word| word != option) {
                        words.push(option.to_owned());
                    }
                }
                _ => return Err(option),
            },
            Some((key, value)) if is_valid(key, value) => words.push(option.to_owned()),
            Some(_) => return Err(option),
        }
    }
    Ok(TmpfsOptions { words, read_only })
}

fn is_valid(key: &str, value: &str) -> bool {
    match key {
        "size" => is_number(value.strip_suffix('%').unwrap_or(value)),
        "nr_inodes" | "nr_blocks" => is_number(value),
        "mode" => is_digits(value) && u32::from_str_radix(value, 8).is_ok(),
        "uid" | "gid" => is_digits(value) && value.parse().is_ok_and(|id: u32| id != u32::MAX),
        "mpol" => !value.is_empty() && !value.contains('\0'),
        _ => false,
    }
}

/// A number as the kernel reads sizes: decimal or `0x…`, with at most one of its suffixes.
fn is_number(text: &str) -> bool {
    let is_suffix = |c: char| matches!(c.to_ascii_lowercase(), 'k' | 'm' | 'g' | 't' | 'p' | 'e');
    if let Some(hex) = text.strip_prefix("0x") {
        // `e` is a digit here, so that no suffix has to be told from it.
        let hex =
            hex.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P']).unwrap_or(hex);
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    is_digits(text.strip_suffix(is_suffix).unwrap_or(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
