//! What the view shows and what keys do to it. Pure: no terminal, no daemon.

use std::collections::{BTreeSet, HashMap};

use gantry_api::image::ImageLayers;

use super::super::tree::{Row, Tree};
use super::keys::Key;

/// Lines that are not for lists: title, headings, the step that made the layer, keys.
pub(super) const FRAME_LINES: usize = 4;

/// Which half the keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Layers,
    Files,
}

/// What the user wants after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Stay,
    Leave,
}

/// Where in a list the user is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    /// The marked line.
    pub(super) at: usize,
    /// The first line on the screen.
    pub(super) top: usize,
}

/// One layer's files and what is folded away there.
#[derive(Debug, Default)]
struct Opened {
    tree: Tree,
    folded: BTreeSet<usize>,
}

pub(super) struct State {
    /// As the user called it.
    pub(super) image: String,
    pub(super) told: ImageLayers,
    pub(super) pane: Pane,
    pub(super) layer: Cursor,
    pub(super) file: Cursor,
    /// What lines must have in their path.
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) is_typing: bool,
    opened: HashMap<usize, Opened>,
}

impl State {
    pub(super) fn new(image: &str, told: ImageLayers) -> Self {
        Self {
            image: image.to_owned(),
            told,
            pane: Pane::Layers,
            layer: Cursor::default(),
            file: Cursor::default(),
            filter: String::new(),
            is_typing: false,
            opened: HashMap::new(),
        }
    }

    /// The number of the marked layer when its files are not here yet.
    pub(super) fn missing(&self) -> Option<usize> {
        let index = self.layer.at;
        (index < self.told.layers.len() && !self.opened.contains_key(&index)).then_some(index + 1)
    }

    /// Takes the files of a layer in; all but the top is folded.
    pub(super) fn take(&mut self, number: usize, tree: Tree) {
        let folded = tree.directories();
        self.opened.insert(number.saturating_sub(1), Opened { tree, folded });
    }

    /// The lines of the marked layer's files; nothing while they are not here.
    pub(super) fn files(&self) -> Option<Vec<Row<'_>>> {
        let opened = self.opened.get(&self.layer.at)?;
        Some(match self.filter.as_str() {
            "" => opened.tree.unfolded(&opened.folded),
            text => opened.tree.matching(text),
        })
    }

    /// Does what a key means; `rows` is the height of the screen.
    pub(super) fn press(&mut self, key: Key, rows: usize) -> Wish {
        let page = rows.saturating_sub(FRAME_LINES).max(1);
        if self.is_typing {
            self.type_filter(key);
        } else {
            match key {
                Key::Letter('q') | Key::Interrupt => return Wish::Leave,
                Key::Escape if self.filter.is_empty() => return Wish::Leave,
                Key::Escape => self.set_filter(String::new()),
                Key::Letter('/') => {
                    self.is_typing = true;
                    self.pane = Pane::Files;
                }
                Key::Tab => {
                    self.pane = match self.pane {
                        Pane::Layers => Pane::Files,
                        Pane::Files => Pane::Layers,
                    };
                }
                Key::Letter('e') => self.fold_all(false),
                Key::Letter('f') => self.fold_all(true),
                _ => self.move_about(key, page),
            }
        }
        self.settle(page);
        Wish::Stay
    }

    fn type_filter(&mut self, key: Key) {
        let mut text = self.filter.clone();
        match key {
            Key::Letter(letter) => text.push(letter),
            Key::Backspace => drop(text.pop()),
            Key::Escape | Key::Interrupt => {
                text.clear();
                self.is_typing = false;
            }
            Key::Enter | Key::Tab | Key::Up | Key::Down => self.is_typing = false,
            _ => {}
        }
        self.set_filter(text);
    }

    fn set_filter(&mut self, text: String) {
        if text != self.filter {
            self.filter = text;
            self.file = Cursor::default();
        }
    }

    fn move_about(&mut self, key: Key, page: usize) {
        let at = match self.pane {
            Pane::Layers => self.layer.at,
            Pane::Files => self.file.at,
        };
        let new = match key {
            Key::Up | Key::Letter('k') => at.saturating_sub(1),
            Key::Down | Key::Letter('j') => at.saturating_add(1),
            Key::PageUp => at.saturating_sub(page),
            Key::PageDown => at.saturating_add(page),
            Key::Home | Key::Letter('g') => 0,
            Key::End | Key::Letter('G') => usize::MAX,
            Key::Left if self.pane == Pane::Files => return self.fold(true),
            Key::Right if self.pane == Pane::Files => return self.fold(false),
            Key::Right | Key::Enter if self.pane == Pane::Layers => {
                self.pane = Pane::Files;
                return;
            }
            Key::Enter | Key::Letter(' ') => return self.toggle(),
            _ => return,
        };
        match self.pane {
            Pane::Files => self.file.at = new,
            Pane::Layers => {
                let last = self.told.layers.len().saturating_sub(1);
                if new.min(last) != self.layer.at {
                    self.layer.at = new.min(last);
                    self.file = Cursor::default();
                }
            }
        }
    }

    /// The marked entry of the tree.
    fn marked(&self) -> Option<(usize, bool)> {
        let rows = self.files()?;
        rows.get(self.file.at).map(|row| (row.index, row.is_folded))
    }

    fn toggle(&mut self) {
        if let Some((_, is_folded)) = self.marked() {
            self.fold(!is_folded);
        }
    }

    /// Folds the marked directory, or the one that the marked entry is in; or unfolds it.
    fn fold(&mut self, away: bool) {
        let Some((index, is_folded)) = self.marked() else { return };
        let Some(opened) = self.opened.get_mut(&self.layer.at) else { return };
        // What a filter finds is all there is to see.
        if !self.filter.is_empty() {
            return;
        }
        if !away {
            opened.folded.remove(&index);
            return;
        }
        let has_children = opened.tree.has_children(index) && !is_folded;
        let target = if has_children { Some(index) } else { opened.tree.parent(index) };
        let Some(target) = target else { return };
        opened.folded.insert(target);
        let place = opened.tree.unfolded(&opened.folded).iter().position(|row| row.index == target);
        self.file.at = place.unwrap_or_default();
    }

    fn fold_all(&mut self, away: bool) {
        if let Some(opened) = self.opened.get_mut(&self.layer.at) {
            opened.folded = if away { opened.tree.directories() } else { BTreeSet::new() };
            self.file = Cursor::default();
        }
    }

    /// Keeps cursors within their lists, and their lines on the screen.
    fn settle(&mut self, page: usize) {
        let files = self.files().map_or(0, |rows| rows.len());
        self.file.settle(files, page);
        self.layer.settle(self.told.layers.len(), page);
    }
}

impl Cursor {
    fn settle(&mut self, length: usize, page: usize) {
        self.at = self.at.min(length.saturating_sub(1));
        self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(page));
    }
}

#[cfg(test)]
mod tests;
