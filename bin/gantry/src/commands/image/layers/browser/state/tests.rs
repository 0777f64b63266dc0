//! What keys do.

use gantry_api::image::{ImageLayer, LayerFile};

use super::super::keys::parse;
use super::*;

const ROWS: usize = 24;

fn state() -> State {
    let told = ImageLayers { layers: vec![ImageLayer::default(); 3], ..ImageLayers::default() };
    let mut state = State::new("i", told);
    let file = |path: &str, mode| LayerFile { path: path.to_owned(), mode, ..LayerFile::default() };
    let files: Vec<LayerFile> = [("a", 0o40755), ("a/b", 0o40755), ("a/b/c", 0), ("d", 0)]
        .map(|(path, mode)| file(path, mode))
        .into();
    state.take(1, Tree::new(&files));
    state
}

/// The files on the screen after these keys, by their places in the tree, the marked one with a `>`.
fn after(state: &mut State, keys: &str) -> String {
    for key in parse(keys.as_bytes()) {
        assert_eq!(state.press(key, ROWS), Wish::Stay, "{key:?}");
    }
    let rows = state.files().unwrap();
    let mark = |(at, row): (usize, &Row<'_>)| {
        format!("{}{}", if at == state.file.at { ">" } else { "" }, row.index)
    };
    rows.iter().enumerate().map(mark).collect::<Vec<_>>().join(" ")
}

#[test]
fn folding() {
    let mut state = state();
    assert_eq!(after(&mut state, "\t"), ">0 3");
    assert_eq!(after(&mut state, "\x1b[C"), ">0 1 3");
    assert_eq!(after(&mut state, "j\r"), "0 >1 2 3");
    assert_eq!(after(&mut state, "j\x1b[D"), "0 >1 3", "from a file to its directory");
    assert_eq!(after(&mut state, "\x1b[D"), ">0 3");
    assert_eq!(after(&mut state, "e"), ">0 1 2 3");
    assert_eq!(after(&mut state, "G"), "0 1 2 >3");
    assert_eq!(after(&mut state, "f"), ">0 3");
    assert_eq!(after(&mut state, "\x1b[6~\x1b[6~"), "0 >3");
    assert_eq!(after(&mut state, "g"), ">0 3");
}

#[test]
fn filtering() {
    let mut state = state();
    assert_eq!(after(&mut state, "/C"), ">0 1 2");
    assert!(state.is_typing && state.pane == Pane::Files);
    assert_eq!(after(&mut state, "q"), "", "q is a letter here");
    assert_eq!(after(&mut state, "\x7f\r"), ">0 1 2");
    assert!(!state.is_typing);
    assert_eq!(after(&mut state, "j\x1b[D"), "0 >1 2", "there is nothing to fold");
    assert_eq!(after(&mut state, "\x1b"), ">0 3");
    assert_eq!(state.press(Key::Escape, ROWS), Wish::Leave);
}

#[test]
fn layers_are_asked_for_when_they_are_marked() {
    let mut state = state();
    assert_eq!(state.missing(), None);
    state.press(Key::Down, ROWS);
    assert_eq!((state.missing(), state.files().is_none()), (Some(2), true));
    state.press(Key::End, ROWS);
    assert_eq!(state.missing(), Some(3));
    state.press(Key::Down, ROWS);
    assert_eq!(state.layer.at, 2);
    state.press(Key::Home, ROWS);
    assert_eq!(state.missing(), None);
    assert_eq!(state.press(Key::Letter('q'), ROWS), Wish::Leave);
    assert_eq!(State::new("none", ImageLayers::default()).missing(), None);
}

#[test]
fn the_marked_line_stays_on_the_screen() {
    let mut cursor = Cursor { at: 50, top: 0 };
    cursor.settle(60, 10);
    assert_eq!((cursor.at, cursor.top), (50, 41));
    cursor.at = 30;
    cursor.settle(60, 10);
    assert_eq!(cursor.top, 30);
    cursor.settle(5, 10);
    assert_eq!((cursor.at, cursor.top), (4, 4));
    cursor.settle(0, 10);
    assert_eq!((cursor.at, cursor.top), (0, 0));
}
