//! What a control rests on: readings, and what was looked at besides.

use super::{Ground, Reading};
use crate::bootstrap::difference::Difference;
use crate::bootstrap::plan::{fields, short};
use crate::bootstrap::settings::Found;

impl Ground {
    pub(super) fn holds(what: impl Into<String>, source: &'static str, said: impl Into<String>) -> Self {
        Self { what: what.into(), source, holds: Some(true), said: said.into() }
    }

    pub(super) fn fails(what: impl Into<String>, source: &'static str, said: impl Into<String>) -> Self {
        Self { what: what.into(), source, holds: Some(false), said: said.into() }
    }

    pub(super) fn unseen(what: impl Into<String>, source: &'static str, said: impl Into<String>) -> Self {
        Self { what: what.into(), source, holds: None, said: said.into() }
    }

    pub(super) fn if_holds(
        holds: bool,
        what: impl Into<String>,
        source: &'static str,
        said: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), source, holds: Some(holds), said: said.into() }
    }
}

/// Marks of facts: text with one of these could not be compared where the facts could not be read.
const MARK: &str = "{{";

impl Reading<'_> {
    /// As a whole. Where facts were `refused` that it rests on, nobody knows what it should be.
    pub(super) fn ground(&self, refused: &[String]) -> Ground {
        self.ground_of(refused, |_| true)
    }

    /// In the fields that matter.
    pub(super) fn ground_of(&self, refused: &[String], matters: impl Fn(&Difference) -> bool) -> Ground {
        let (what, source) = (self.item.id(), self.item.setting.source());
        let found = match &self.found {
            Err(why) => return Ground::unseen(what, source, why),
            Ok(Found::Foreign(why)) => return Ground::fails(what, source, why),
            Ok(found) => found,
        };
        let differing: Vec<Difference> = self.differences().into_iter().filter(matters).collect();
        if differing.is_empty() {
            return Ground::holds(what, source, self.shown());
        }
        if !refused.is_empty() && self.wanted.to_string().contains(MARK) {
            return Ground::unseen(what, source, refused.join("; "));
        }
        let said = match (found, self.wanted.is_null()) {
            (Found::Absent, _) => "it is not there".to_owned(),
            (Found::Present(value), true) => format!("nobody declared it: {}", short(value)),
            _ => fields(&differing),
        };
        Ground::fails(what, source, said)
    }

    fn shown(&self) -> String {
        match self.value() {
            None => "none, as declared".to_owned(),
            Some(serde_json::Value::Object(all)) if !all.contains_key("Statement") => {
                let each = all.iter().map(|(name, value)| format!("{name}: {}", short(value)));
                each.collect::<Vec<_>>().join(", ")
            }
            Some(value) => short(value),
        }
    }
}
