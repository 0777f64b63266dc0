//! One Rust file as the rules see it: its text, and its tokens with their lines.
//!
//! Tokens, not a syntax tree: they see into macro bodies, where a syntax tree sees one opaque lump, and
//! they do not break on syntax that is newer than a parser.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::checkout::Error;

/// A Rust file.
pub(crate) struct Source {
    /// Its path, relative to the checkout.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) tokens: TokenStream,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Lines between its braces that hold code: no comments, no blank lines.
    pub(crate) code_lines: usize,
}

/// A thing that has a name of its own.
pub(crate) struct NamedItem {
    /// The keyword: `fn`, `mod`, `struct`, …
    pub(crate) keyword: String,
    pub(crate) name: String,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn parse(path: PathBuf, text: String) -> Result<Self, Error> {
        let tokens = text
            .parse()
            .map_err(|error| Error::Tokens { path: path.clone(), reason: format!("{error}") })?;
        Ok(Self { path, text, tokens })
    }

    /// Calls `visit` with every run of sibling tokens: the file's own, and each group's at any depth.
    pub(crate) fn each_run(&self, visit: &mut dyn FnMut(&[TokenTree])) {
        runs(self.tokens.clone(), visit);
    }

    /// Every identifier of the file.
    pub(crate) fn identifiers(&self) -> Vec<Ident> {
        let mut all = Vec::new();
        self.each_run(&mut |run| {
            all.extend(run.iter().filter_map(|token| match token {
                TokenTree::Ident(ident) => Some(ident.clone()),
                _ => None,
            }));
        });
        all
    }

    /// The content of every attribute: what stands between `#[` and `]`.
    pub(crate) fn attributes(&self) -> Vec<Group> {
        let mut all = Vec::new();
        self.each_run(&mut |run| {
            for (index, token) in run.iter().enumerate() {
                if !is_punct(token, '#') {
                    continue;
                }
                let inner = run.get(index + 1).is_some_and(|next| is_punct(next, '!'));
                if let Some(TokenTree::Group(group)) = run.get(index + 1 + usize::from(inner))
                    && group.delimiter() == Delimiter::Bracket
                {
                    all.push(group.clone());
                }
            }
        });
        all
    }

    /// Every item that is declared with a keyword and a name.
    pub(crate) fn named_items(&self) -> Vec<NamedItem> {
        const KEYWORDS: [&str; 6] = ["fn", "mod", "struct", "enum", "trait", "type"];
        let mut all = Vec::new();
        self.each_run(&mut |run| {
            for pair in run.windows(2) {
                if let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair
                    && KEYWORDS.iter().any(|known| keyword == known)
                {
                    all.push(NamedItem {
                        keyword: keyword.to_string(),
                        name: name.to_string(),
                        line: name.span().start().line,
                    });
                }
            }
        });
        all
    }

    /// Every function that has a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut all = Vec::new();
        self.each_run(&mut |run| {
            for (index, pair) in run.windows(2).enumerate() {
                let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else { continue };
                if keyword == "fn"
                    && let Some(body) = body_after(run.get(index + 2..).unwrap_or_default())
                {
                    all.push(Function {
                        name: name.to_string(),
                        line: name.span().start().line,
                        code_lines: code_lines(body),
                    });
                }
            }
        });
        all
    }
}

fn runs(tokens: TokenStream, visit: &mut dyn FnMut(&[TokenTree])) {
    let run: Vec<TokenTree> = tokens.into_iter().collect();
    visit(&run);
    for token in run {
        if let TokenTree::Group(group) = token {
            runs(group.stream(), visit);
        }
    }
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// The braces that end a signature; none when a semicolon ends it first.
fn body_after(signature: &[TokenTree]) -> Option<&Group> {
    for token in signature {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return Some(group),
            token if is_punct(token, ';') => return None,
            _ => {}
        }
    }
    None
}

/// The lines inside `body` that a token starts or ends on; a long literal counts with all its lines.
fn code_lines(body: &Group) -> usize {
    let mut lines = BTreeSet::new();
    cover(body.stream(), &mut lines);
    lines.len()
}

fn cover(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                lines.insert(group.span_close().start().line);
                cover(group.stream(), lines);
            }
            other => lines.extend(other.span().start().line..=other.span().end().line),
        }
    }
}
