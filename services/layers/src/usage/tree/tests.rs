//! Layers upon layers, written down as short lines.

use super::*;

/// Lays layers; each entry is `kind path [size] [inode]`: `f` file, `d` directory, `o` opaque directory, `w` whiteout.
fn usage(layers: &[&[&str]], listed: Option<usize>) -> Usage {
    let listed = listed.map(|layer| Listing { layer, most: 1000 });
    let told = usage_with(layers, listed);
    assert!(!told.truncated);
    told
}

fn usage_with(layers: &[&[&str]], listed: Option<Listing>) -> Usage {
    let mut tree = Tree::new(layers.len(), listed);
    for (depth, entries) in layers.iter().enumerate() {
        for entry in *entries {
            let mut words = entry.split(' ');
            let (kind, path) = (words.next().unwrap(), words.next().unwrap());
            let size_bytes = words.next().map_or(0, |word| word.parse().unwrap());
            let inode = words.next().map(|word| word.parse().unwrap());
            let (mode, role) = match kind {
                "f" => (0o100_644, Role::Present),
                "d" => (0o040_755, Role::Present),
                "o" => (0o040_755, Role::Opaque),
                _ => (0o020_000, Role::Whiteout),
            };
            let path = if path == "/" { b"" } else { path.as_bytes() };
            tree.lay(depth, Content { path, mode, size_bytes, inode, role }).unwrap();
        }
    }
    tree.finish()
}

fn amounts(files: u64, size_bytes: u64) -> Amount {
    Amount { files, size_bytes }
}

/// The listed files as `A path size`, with a star for hidden ones.
fn lines(usage: &Usage) -> Vec<String> {
    let line = |file: &LayerFile| {
        let mark = match file.change {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Deleted => 'D',
        };
        let star = if file.hidden { "*" } else { "" };
        format!("{mark}{star} {} {}", String::from_utf8_lossy(&file.path), file.size_bytes)
    };
    usage.files.iter().map(line).collect()
}

const BASE: &[&str] = &["d etc", "f etc/a 10", "f etc/b 20", "d var", "d var/x", "f var/x/c 40"];

#[test]
fn added_changed_and_removed() {
    let upper: &[&str] = &["d etc", "f etc/a 11", "f etc/n 5", "w var"];
    let told = usage(&[BASE, upper], Some(1));
    assert_eq!(told.layers[0].added, amounts(3, 70));
    assert_eq!(told.layers[0].wasted, amounts(2, 50));
    assert_eq!(told.layers[1].added, amounts(1, 5));
    assert_eq!(told.layers[1].changed, amounts(1, 11));
    assert_eq!(told.layers[1].removed, amounts(1, 40));
    assert_eq!(told.layers[1].wasted, amounts(0, 0));
    assert_eq!(lines(&told), ["C etc 0", "C etc/a 11", "A etc/n 5", "D var 40"]);
    let lower = usage(&[BASE, upper], Some(0));
    assert_eq!(
        lines(&lower),
        ["A etc 0", "A* etc/a 10", "A etc/b 20", "A* var 0", "A* var/x 0", "A* var/x/c 40"]
    );
}

#[test]
fn what_hides_whole_directories() {
    let told = usage(&[BASE, &["d etc", "o var", "f var/new 1"]], Some(1));
    assert_eq!(told.layers[1].removed, amounts(1, 40));
    assert_eq!(told.layers[0].wasted, amounts(1, 40));
    assert_eq!(lines(&told), ["C etc 0", "C var 0", "A var/new 1", "D var/x 40"]);
    let told = usage(&[BASE, &["f etc 7"]], Some(1));
    assert_eq!((told.layers[1].changed, told.layers[0].wasted), (amounts(1, 7), amounts(2, 30)));
    assert_eq!(lines(&told), ["C etc 7"]);
    let told = usage(&[BASE, &["o /", "f only 3"]], Some(1));
    assert_eq!(told.layers[1].removed, amounts(3, 70));
    assert_eq!(lines(&told), ["D etc 30", "A only 3", "D var 40"]);
}

#[test]
fn every_layer_answers_for_its_own() {
    let told =
        usage(&[&["f a 1"], &["f a 20"], &["f a 300"], &["w a"], &["w a", "w none"]], Some(1));
    let wasted: Vec<u64> = told.layers.iter().map(|layer| layer.wasted.size_bytes).collect();
    assert_eq!(wasted, [1, 20, 300, 0, 0]);
    assert_eq!(told.layers[3].removed, amounts(1, 300));
    assert_eq!(told.layers[4], LayerUse::default());
    assert_eq!(lines(&told), ["C* a 20"]);
}

#[test]
fn a_file_with_several_names_counts_once() {
    let lower: &[&str] = &["f a 100 7", "f b 100 7", "f c 100 7"];
    let told = usage(&[lower, &["w a"]], None);
    assert_eq!(told.layers[0].added, amounts(3, 100));
    assert_eq!(told.layers[0].wasted, amounts(1, 0), "two names still lead to it");
    let told = usage(&[lower, &["w a", "f b 1", "w c"]], None);
    assert_eq!(told.layers[0].wasted, amounts(3, 100));
    // The same number in another layer is another file.
    let told = usage(&[lower, &["f d 5 7"]], None);
    assert_eq!(told.layers[1].added, amounts(1, 5));
}

#[test]
fn depth_does_not_matter() {
    let mut tree = Tree::new(2, None);
    let mut path = Vec::new();
    for _ in 0..2000 {
        if !path.is_empty() {
            path.push(b'/');
        }
        path.push(b'd');
        let (mode, role) = (0o040_755, Role::Present);
        tree.lay(0, Content { path: &path, mode, size_bytes: 0, inode: None, role }).unwrap();
    }
    let whiteout =
        Content { path: b"d", mode: 0, size_bytes: 0, inode: None, role: Role::Whiteout };
    tree.lay(1, whiteout).unwrap();
    assert_eq!(tree.nodes, 0);
}

#[test]
fn a_list_keeps_its_first_entries_only() {
    let told = usage_with(&[BASE], Some(Listing { layer: 0, most: 3 }));
    assert_eq!(lines(&told), ["A etc 0", "A etc/a 10", "A etc/b 20"]);
    assert!(told.truncated);
    let told = usage_with(&[BASE], Some(Listing { layer: 0, most: 6 }));
    assert_eq!((told.files.len(), told.truncated), (6, false));
    // Whatever the order in which they come, and while they come.
    let mut tree = Tree::new(1, Some(Listing { layer: 0, most: 2 }));
    for name in (0..1000).rev().map(|number| format!("{number:04}")) {
        let (path, mode, role) = (name.as_bytes(), 0o100_644, Role::Present);
        tree.lay(0, Content { path, mode, size_bytes: 0, inode: None, role }).unwrap();
        assert!(tree.files.len() <= 4);
    }
    let told = tree.finish();
    assert_eq!(lines(&told), ["A 0000 0", "A 0001 0"]);
    assert!(told.truncated && told.layers[0].added == amounts(1000, 0));
}

#[test]
fn long_paths_make_a_list_shorter() {
    let mut tree = Tree::new(1, Some(Listing { layer: 0, most: usize::MAX }));
    let mut path = Vec::new();
    // As deep as a layer may be, with the longest names: half a megabyte each in the end.
    for _ in 0..2000 {
        path.extend_from_slice(if path.is_empty() { b"" } else { b"/" });
        path.extend_from_slice(&[b'x'; 255]);
        tree.list(0, &path, ChangeKind::Added, (0o040_755, 0));
        assert!(tree.paths_bytes < 2 * LISTED_BYTES);
    }
    let told = tree.finish();
    let bytes: usize = told.files.iter().map(|file| file.path.len()).sum();
    assert!(told.truncated && bytes <= LISTED_BYTES && told.files.len() > 500);
}
