//! Holds the code to the table of rooms in the README's Map: which room may import which, and which
//! crates a room keeps out. Tests inside `src` count, comments do not.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
    /// Families of crates: `candle` is `candle_core` and `candle_nn` too.
    keeps_out: &'static [&'static str],
}

const fn room(
    name: &'static str,
    may_import: &'static [&'static str],
    keeps_out: &'static [&'static str],
) -> Room {
    Room { name, may_import, keeps_out }
}

const EVERY_ROOM: &[&str] = &[
    "space",
    "domain",
    "metrics",
    "background",
    "model",
    "zero_cost",
    "fit",
    "store",
    "serving",
    "retraining",
    "experiments",
    "pb",
    "grpc",
    "app",
    "cli",
];

// Whatever keeps prost out keeps tonic out: it brings the same wire.
#[rustfmt::skip]
static ROOMS: [Room; 16] = [
    room("space", &[], &["candle", "tokio", "sqlx", "prost", "tonic"]),
    room("domain", &["space"], &["candle", "tokio", "sqlx", "prost", "tonic"]),
    room("metrics", &[], &["candle", "tokio", "sqlx"]),
    room("background", &[], &["candle", "sqlx"]),
    room("model", &["space"], &["tokio", "sqlx", "prost", "tonic"]),
    room("zero_cost", &["space"], &["tokio", "sqlx", "prost", "tonic"]),
    room("fit", &["space", "domain", "metrics", "model"], &["tokio", "sqlx", "prost", "tonic"]),
    room("store", &["space", "domain"], &["candle", "prost", "tonic"]),
    room("serving", &["space", "domain", "background", "model", "zero_cost", "store"], &["prost", "tonic"]),
    room(
        "retraining",
        &["space", "domain", "metrics", "background", "model", "zero_cost", "fit", "store"],
        &["prost", "tonic"],
    ),
    room(
        "experiments",
        &["space", "domain", "metrics", "model", "zero_cost", "fit"],
        &["tokio", "sqlx", "prost", "tonic"],
    ),
    room("pb", &["space", "domain"], &["candle", "sqlx"]),
    room("grpc", &["space", "domain", "background", "pb", "store", "serving"], &["candle"]),
    room("app", EVERY_ROOM, &[]),
    room("cli", EVERY_ROOM, &[]),
    room("main", EVERY_ROOM, &[]),
];

fn room_named(name: &str) -> &'static Room {
    ROOMS.iter().find(|room| room.name == name).unwrap_or_else(|| panic!("{name} is no room of the table"))
}

impl Room {
    fn keeps_out(&self, name: &str) -> bool {
        let family = name.split('_').next().unwrap_or(name);
        self.keeps_out.contains(&family)
    }

    /// What a file of the room does against the table. `depth` is how many modules below the room's
    /// front door the file is.
    fn violations(&self, depth: usize, source: &str) -> Vec<String> {
        let tokens: TokenStream = source.parse().expect("sources compile, so they are made of tokens");
        let mut paths = Paths::default();
        paths.collect(&tokens.into_iter().collect::<Vec<_>>(), depth);
        let is_foreign = |room: &&String| **room != self.name && !self.may_import.contains(&room.as_str());
        let foreign = paths.rooms.iter().filter(is_foreign);
        let barred = paths.heads.iter().filter(|head| self.keeps_out(head));
        foreign
            .map(|room| format!("{} may not import crate::{room}", self.name))
            .chain(barred.map(|name| format!("{} may not use {name}", self.name)))
            .chain(paths.leaves_by_super.then(|| format!("{} is left by super::", self.name)))
            .collect()
    }
}

/// The paths in a piece of code, as far as they tell what it depends on.
#[derive(Default)]
struct Paths {
    /// `room` of each `crate::room`.
    rooms: Vec<String>,
    /// The names that `::` follows or `use` precedes: crates and more.
    heads: Vec<String>,
    /// Whether `super` climbs out of the room.
    leaves_by_super: bool,
}

impl Paths {
    fn collect(&mut self, tokens: &[TokenTree], depth: usize) {
        let mut n_supers = 0;
        for (index, token) in tokens.iter().enumerate() {
            let (before, after) = (&tokens[..index], &tokens[index + 1..]);
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    if ends_in_path(before, "crate") {
                        self.rooms.extend(first_names(&inner));
                    }
                    let is_module = group.delimiter() == Delimiter::Brace
                        && matches!(before, [.., keyword, _name] if is(keyword, "mod"));
                    self.collect(&inner, depth + usize::from(is_module));
                }
                TokenTree::Ident(ident) if ident == "super" && starts_with_colons(after) => {
                    n_supers = if ends_in_path(before, "super") { n_supers + 1 } else { 1 };
                    self.leaves_by_super |= n_supers > depth;
                }
                TokenTree::Ident(ident) if ends_in_path(before, "crate") => {
                    self.rooms.push(ident.to_string());
                }
                TokenTree::Ident(ident) => {
                    if starts_with_colons(after) || before.last().is_some_and(|token| is(token, "use")) {
                        self.heads.push(ident.to_string());
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

fn is(token: &TokenTree, text: &str) -> bool {
    token.to_string() == text
}

fn starts_with_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is(first, ":") && is(second, ":"))
}

fn ends_in_path(tokens: &[TokenTree], name: &str) -> bool {
    matches!(tokens, [.., head, first, second] if is(head, name) && is(first, ":") && is(second, ":"))
}

/// The first name of each path in `{a::b, c}`.
fn first_names(group: &[TokenTree]) -> Vec<String> {
    group.split(|token| is(token, ",")).filter_map(|path| path.first()).map(ToString::to_string).collect()
}

/// Every source file at or below `path`, with its depth below the room's front door.
fn sources(path: &Path, depth: usize) -> Vec<(PathBuf, usize)> {
    if path.is_dir() {
        let is_front_door = |entry: &Path| entry.file_name() == Some(OsStr::new("mod.rs"));
        let below = |entry: PathBuf| sources(&entry, depth + usize::from(!is_front_door(&entry)));
        entries(path).into_iter().flat_map(below).collect()
    } else if path.extension() == Some(OsStr::new("rs")) {
        vec![(path.to_owned(), depth)]
    } else {
        Vec::new()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the sources can be listed");
    entries.map(|entry| entry.expect("the sources can be listed").path()).collect()
}

#[test]
fn every_room_keeps_to_the_table() {
    let mut found = Vec::new();
    for entry in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let name = entry.file_stem().and_then(OsStr::to_str).expect("names of sources are plain");
        if name == "lib" {
            continue; // It lists the rooms.
        }
        for (path, depth) in sources(&entry, 0) {
            let source = fs::read_to_string(&path).expect("the sources can be read");
            let violations = room_named(name).violations(depth, &source);
            found.extend(violations.into_iter().map(|violation| format!("{}: {violation}", path.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_the_table_forbids_is_found() {
    let forbidden = [
        ("use crate::domain::Task;", "space may not import crate::domain"),
        ("fn f() { let x = crate::serving::start(); }", "space may not import crate::serving"),
        ("use crate::{space::Cell, model::{Config, Other}};", "space may not import crate::model"),
        ("#[cfg(test)] mod tests { use crate::fit::Fit; }", "space may not import crate::fit"),
        ("use candle_core::Tensor;", "space may not use candle_core"),
        ("use tokio as runtime;", "space may not use tokio"),
        ("async fn f() { tokio_stream::iter([1]) }", "space may not use tokio_stream"),
        ("#[derive(Clone, prost::Message)] struct A;", "space may not use prost"),
        ("#[tokio::test] async fn f() {}", "space may not use tokio"),
        ("tonic::include_proto!(\"tagates.v1\");", "space may not use tonic"),
        ("fn f() -> super::model::Model { g() }", "space is left by super::"),
        ("mod tests { use super::super::domain::Task; }", "space is left by super::"),
    ];
    for (source, violation) in forbidden {
        assert_eq!(room_named("space").violations(0, source), [violation], "{source}");
    }
}

#[test]
fn what_the_table_allows_is_not_reported() {
    let allowed = [
        (
            "space",
            0,
            "//! As crate::serving would.\n/// See [`crate::model::Model`].\nfn f() { let tokio = 1; }",
        ),
        ("space", 0, "const TEXT: &str = \"use crate::model::Model; // tokio::spawn\";"),
        ("space", 0, "pub(in crate::space) fn f() {} pub(crate) fn g() {} pub(super) fn h() {}"),
        ("space", 0, "mod tests { use super::*; mod inner { use super::super::Cell; } }"),
        ("space", 1, "use super::Cell; mod tests { use super::super::Cell; }"),
        ("serving", 0, "use crate::model::Model; use tokio::sync::mpsc;"),
        ("pb", 0, "tonic::include_proto!(\"tagates.v1\");"),
    ];
    for (room, depth, source) in allowed {
        assert_eq!(room_named(room).violations(depth, source), [""; 0], "{source}");
    }
}

#[test]
#[should_panic(expected = "cellar is no room of the table")]
fn a_room_that_is_not_in_the_table_is_found() {
    room_named("cellar");
}
