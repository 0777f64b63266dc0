//! More small files than one thread makes: what each becomes does not depend on who filled it.

use gantry_types::Timestamp;

use super::*;

const FILES: usize = 2_000;

fn content(number: usize) -> Vec<u8> {
    // Some are too large to be handed over, and some have nothing in them.
    let size = if number.is_multiple_of(97) { 40_000 } else { number * 37 % 9_000 };
    (0..size).map(|at| u8::try_from((at + number) % 251).unwrap()).collect()
}

fn header(number: usize) -> Header {
    let mode = [0o644, 0o600, 0o4755, 0o666][number % 4];
    let uid = u32::try_from(number % 3).unwrap();
    let modified = Timestamp { seconds: 1_000 + i64::try_from(number).unwrap(), nanos: 5 };
    let xattrs = if number.is_multiple_of(50) {
        vec![Xattr { name: b"user.number".into(), value: number.to_string().into() }]
    } else {
        Vec::new()
    };
    let path = format!("d{}/f{number}", number / 100);
    Header { uid, modified, xattrs, ..Header::file(path, mode) }
}

fn check_file(scene: &Scene, path: &str, header: &Header, content: &[u8]) {
    assert!(fs::read(scene.path(path)).unwrap() == content, "{path}");
    let stat = scene.stat(path);
    let time = (stat.mtime(), stat.mtime_nsec());
    assert_eq!((stat.mode() & 0o7777, stat.uid()), (header.mode, header.uid), "{path}");
    assert_eq!(time, (header.modified.seconds, i64::from(header.modified.nanos)), "{path}");
    let file = fs::File::open(scene.path(path)).unwrap();
    assert_eq!(inode::xattrs(file.as_fd(), b"").unwrap(), header.xattrs, "{path}");
}

#[test]
fn every_file_is_as_its_last_entry_says() {
    let scene = Scene::new();
    let mut entries: Vec<(Header, Vec<u8>)> = Vec::new();
    for number in 0..FILES {
        if number.is_multiple_of(100) {
            entries.push((dir(&format!("d{}", number / 100)), Vec::new()));
        }
        entries.push((header(number), content(number)));
        match number {
            // One comes again at once, while it may still be in somebody's hands.
            700 => entries.push((Header { mode: 0o640, ..header(700) }, b"again".to_vec())),
            // A link's header speaks about the file that it names.
            901 => {
                let kind = EntryKind::HardLink { target: header(901).path };
                entries.push((Header { kind, path: b"link".into(), ..header(902) }, Vec::new()));
            }
            // A directory with files that have just been made gives way to a file.
            1_299 => entries.push((Header { uid: 0, ..file("d12") }, b"gone".to_vec())),
            _ => {}
        }
    }
    let entries: Vec<(Header, &[u8])> =
        entries.iter().map(|(header, data)| (header.clone(), &data[..])).collect();
    let applied = scene.apply(&entries).unwrap();
    assert_eq!(applied.entries, entries.len() as u64);
    for number in (0..FILES).filter(|number| !(1_200..1_300).contains(number)) {
        let header = header(number);
        let path = String::from_utf8(header.path.clone()).unwrap();
        match number {
            700 => check_file(&scene, &path, &Header { mode: 0o640, ..header }, b"again"),
            901 => {
                let looks = Header { xattrs: header.xattrs, ..self::header(902) };
                check_file(&scene, &path, &looks, &content(901));
                assert_eq!(scene.stat("link").ino(), scene.stat(&path).ino());
            }
            _ => check_file(&scene, &path, &header, &content(number)),
        }
    }
    assert_eq!(scene.text("d12"), "gone");
}

#[test]
fn a_file_that_cannot_be_given_its_attributes_fails_the_whole() {
    let scene = Scene::new();
    let mut entries: Vec<(Header, &[u8])> =
        (0..FILES).map(|number| (file(&format!("f{number}")), &b"x"[..])).collect();
    // No file system of Linux has room for this.
    let too_large = Xattr { name: b"user.large".into(), value: vec![b'x'; 200_000] };
    entries[FILES - 3].0.xattrs.push(too_large);
    let error = scene.apply(&entries).unwrap_err();
    assert!(matches!(&error, Error::Entry { path, .. } if path == "f1997"), "{error:?}");
}

#[test]
fn no_file_of_the_image_is_read_in_its_root() {
    let scene = Scene::new();
    // Whoever opens this waits for ever.
    fs::create_dir_all(scene.path("proc/self")).unwrap();
    let proc = fs::File::open(scene.path("proc/self")).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(&proc, "cgroup", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let entries: Vec<(Header, &[u8])> =
        (0..FILES).map(|number| (file(&format!("f{number}")), &b"x"[..])).collect();
    let (bytes, root) = (archive(&entries), scene.open());
    let (done, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        #[expect(deprecated, reason = "what is unsafe about it are other flags")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::FS).unwrap();
        rustix::process::fchdir(&root).unwrap();
        rustix::process::chroot(".").unwrap();
        done.send(apply(&bytes[..], root.as_fd(), &ApplyOptions::default())).unwrap();
    });
    let applied = told.recv_timeout(std::time::Duration::from_secs(30)).unwrap().unwrap();
    assert_eq!(applied.entries, entries.len() as u64);
}
