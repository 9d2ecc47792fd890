//! Asks the tree key by key, collecting every problem with its path.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use super::document::{Node, Origin, Value};

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) path: String,
    pub(super) origin: Option<Origin>,
    pub(super) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.origin {
            Some(Origin::Line(line)) => write!(f, " (line {line})"),
            Some(Origin::Variable(name)) => write!(f, " (environment variable {name})"),
            None => Ok(()),
        }
    }
}

/// Everything wrong with the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// One problem of the file as a whole.
    pub fn single(message: impl Into<String>) -> Self {
        Self(vec![Problem { path: String::new(), origin: None, message: message.into() }])
    }

    pub(super) fn all(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// The problems, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects problems while sections are read.
#[derive(Debug, Default)]
pub(super) struct Notebook(RefCell<Vec<Problem>>);

impl Notebook {
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    /// What was read, if nothing was wrong.
    pub(super) fn judge<T>(self, read: Option<T>) -> Result<T, Problems> {
        let problems = self.into_problems();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => Err(Problems(problems)),
        }
    }
}

const EMPTY: &str = "there is nothing behind the key; give a value or leave the key out";

/// A mapping that is being read. When it is dropped, keys that nobody asked for are reported.
pub(super) struct Section<'a> {
    path: String,
    entries: &'a [(String, Node)],
    origin: Option<Origin>,
    asked: RefCell<Vec<&'static str>>,
    notebook: &'a Notebook,
}

impl<'a> Section<'a> {
    pub(super) fn root(root: &'a Node, notebook: &'a Notebook) -> Self {
        Self::of(String::new(), Some(root), notebook)
    }

    fn of(path: String, node: Option<&'a Node>, notebook: &'a Notebook) -> Self {
        let entries: &[(String, Node)] = match node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            None | Some(Value::Null) => &[],
            Some(_) => {
                let message = "must be a mapping of keys to values".to_owned();
                let origin = node.map(|node| node.origin.clone());
                notebook.0.borrow_mut().push(Problem { path: path.clone(), origin, message });
                &[]
            }
        };
        let origin = node.map(|node| node.origin.clone());
        Self { path, entries, origin, asked: RefCell::default(), notebook }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn entry(&self, key: &'static str) -> Option<&'a Node> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Keys that are somebody else's to read.
    pub(super) fn leave_alone(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend_from_slice(keys);
    }

    /// Whether a key is there, whatever it says.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    /// Reports a problem with the value of a key.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        let node = self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node);
        let origin = node.map(|node| node.origin.clone()).or_else(|| self.origin.clone());
        self.note(self.path_of(key), origin, message.into());
    }

    fn note(&self, path: String, origin: Option<Origin>, message: String) {
        self.notebook.0.borrow_mut().push(Problem { path, origin, message });
    }

    /// Whether a key is there but empty, which is reported: half of a value that somebody meant to give must not
    /// pass for the default, least of all where the default allows more.
    fn is_empty(&self, key: &str, node: &Node) -> bool {
        let empty = matches!(node.value, Value::Null);
        if empty {
            self.note(self.path_of(key), Some(node.origin.clone()), EMPTY.to_owned());
        }
        empty
    }

    /// A scalar, if it is there, valid and not null: for keys where null is how one says that there is no limit.
    pub(super) fn nullable<T: FromStr<Err: fmt::Display>>(&self, key: &'static str) -> Option<T> {
        let node = self.entry(key)?;
        if matches!(node.value, Value::Null) { None } else { self.parse(self.path_of(key), node) }
    }

    /// A key that is only known to say no.
    pub(super) fn only_off(&self, key: &'static str, message: &str) {
        if self.has(key) && !self.says(key, "off") && !self.says(key, "false") {
            self.problem(key, message);
        }
    }

    /// A scalar, if it is there and valid.
    pub(super) fn optional<T: FromStr<Err: fmt::Display>>(&self, key: &'static str) -> Option<T> {
        let node = self.entry(key)?;
        if self.is_empty(key, node) {
            return None;
        }
        self.parse(self.path_of(key), node)
    }

    /// A scalar that has to be there. `what` says what is missing.
    pub(super) fn required<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, what: &str) -> Option<T> {
        match self.entry(key) {
            None | Some(Node { value: Value::Null, .. }) => {
                self.problem(key, format!("missing: {what}"));
                None
            }
            Some(node) => self.parse(self.path_of(key), node),
        }
    }

    /// A scalar with a default.
    pub(super) fn or<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// One of a few words.
    pub(super) fn one_of<T: Clone>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word: String = self.optional(key)?;
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| value.clone());
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            self.problem(key, format!("'{word}' is not one of {}", names.join(", ")));
        }
        found
    }

    /// A list of scalars, if it is there; items that are not valid are reported and left out.
    pub(super) fn list<T: FromStr<Err: fmt::Display>>(&self, key: &'static str) -> Option<Vec<T>> {
        let items = self.items(key)?;
        let parse = |(i, item)| self.parse(format!("{}[{i}]", self.path_of(key)), item);
        Some(items.iter().enumerate().filter_map(parse).collect())
    }

    /// The same where a single scalar will do for a list of one.
    pub(super) fn one_or_more<T: FromStr<Err: fmt::Display>>(&self, key: &'static str) -> Option<Vec<T>> {
        match self.entry(key) {
            Some(Node { value: Value::Scalar(_), .. }) => self.optional(key).map(|only| vec![only]),
            _ => self.list(key),
        }
    }

    /// A mapping; empty when it is not there.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        Section::of(self.path_of(key), self.entry(key), self.notebook)
    }

    /// Whether nothing is said here.
    pub(super) fn says_nothing(&self) -> bool {
        self.entries.is_empty()
    }

    /// A mapping that may be left out, or be `null` to say so.
    pub(super) fn part(&self, key: &'static str) -> Option<Section<'a>> {
        match self.entry(key) {
            None | Some(Node { value: Value::Null, .. }) => None,
            node => Some(Section::of(self.path_of(key), node, self.notebook)),
        }
    }

    /// Whether the value is this one word.
    pub(super) fn says(&self, key: &'static str, word: &str) -> bool {
        matches!(self.entry(key), Some(Node { value: Value::Scalar(text), .. }) if text == word)
    }

    /// The values of a list, whatever they are.
    pub(super) fn documents(&self, key: &'static str) -> Vec<serde_json::Value> {
        self.items(key).unwrap_or_default().iter().map(Node::to_json).collect()
    }

    /// A list of mappings; empty when it is not there.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let items = self.items(key).unwrap_or_default().iter().enumerate();
        items
            .map(|(i, item)| Section::of(format!("{}[{i}]", self.path_of(key)), Some(item), self.notebook))
            .collect()
    }

    fn items(&self, key: &'static str) -> Option<&'a [Node]> {
        match self.entry(key) {
            None => None,
            Some(node) if self.is_empty(key, node) => None,
            Some(Node { value: Value::List(items), .. }) => Some(items),
            Some(_) => {
                self.problem(key, "must be a list, for example [a, b]");
                None
            }
        }
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, path: String, node: &Node) -> Option<T> {
        let problem = |message| {
            self.note(path, Some(node.origin.clone()), message);
            None
        };
        match &node.value {
            Value::Null => problem(EMPTY.to_owned()),
            Value::Scalar(text) => match text.parse() {
                Ok(value) => Some(value),
                Err(error) => problem(format!("'{text}': {error}")),
            },
            Value::List(_) | Value::Map(_) => problem("must be a single value".to_owned()),
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for (name, node) in self.entries {
            if !asked.contains(&name.as_str()) {
                let known = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
                let message = format!("unknown key; known here: {known}");
                self.note(self.path_of(name), Some(node.origin.clone()), message);
            }
        }
    }
}
