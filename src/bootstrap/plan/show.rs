//! A plan for people and for machines.

use std::fmt;

use serde_json::{Value, json};

use super::price::ASSUMED;
use super::{Plan, Step, Undo};
use crate::bootstrap::difference::Difference;
use crate::bootstrap::items::Item;
use crate::bootstrap::settings::Found;
use crate::spec::RetentionChoice;
use crate::spec::price::AS_OF;

/// Longer values are cut in text; JSON has them whole.
const WIDTH: usize = 90;

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desired = self.desired;
        writeln!(
            f,
            "{} in {}, account {}, as {}",
            desired.name, desired.region, desired.account, self.caller
        )?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f)?;
            show_step(f, at + 1, step)?;
        }
        self.show_rest(f)?;
        self.show_costs(f)?;
        for note in &desired.notes {
            writeln!(f, "note: {}: {}", note.path, note.text)?;
        }
        let (steps, kept) = (self.steps.len(), self.kept.len());
        writeln!(
            f,
            "\n{steps} to do, {} refused, {} for others to do, {kept} as they should be",
            self.refused.len(),
            self.outside.len()
        )
    }
}

impl Plan<'_> {
    fn show_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.refused.is_empty() {
            writeln!(f, "\nrefused; nothing is done before these are mended:")?;
        }
        for refused in &self.refused {
            writeln!(f, "x {}: {}", refused.id, refused.why)?;
        }
        if !self.outside.is_empty() {
            writeln!(f, "\nnot as it should be, and not for this program to change:")?;
        }
        for one in &self.outside {
            let found = match &one.found {
                Found::Absent => "it is not there".to_owned(),
                Found::Foreign(why) => why.clone(),
                Found::Present(_) => fields(&one.differences()),
            };
            writeln!(f, "! {}{}: {found}", one.item.id(), serves(&one.item))?;
            writeln!(f, "    {}", one.item.control.mend)?;
        }
        Ok(())
    }

    fn show_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.costs.iter().map(|cost| cost.monthly_usd).sum();
        writeln!(
            f,
            "\nabout {total:.2} USD a month beside storage and requests (prices of us-east-1, {AS_OF}):"
        )?;
        for cost in &self.costs {
            writeln!(f, "  {:>8.2}  {}: {}", cost.monthly_usd, cost.what, cost.why)?;
        }
        writeln!(f, "  assumed: {ASSUMED}")?;
        Ok(())
    }

    /// The whole plan.
    pub fn to_json(&self) -> Value {
        let total: f64 = self.costs.iter().map(|cost| cost.monthly_usd).sum();
        json!({
            "deployment": self.desired.name.as_str(),
            "account": self.desired.account.as_str(),
            "region": self.desired.region.as_str(),
            "caller": self.caller,
            "steps": self.steps.iter().map(step_json).collect::<Vec<_>>(),
            "refused": self.refused.iter().map(|it| json!({ "id": it.id, "why": it.why })).collect::<Vec<_>>(),
            "outside": self.outside.iter().map(|one| json!({
                "id": one.item.id(),
                "control": one.item.control.id,
                "requirement": one.item.control.requirement.number(),
                "why": match &one.found { Found::Foreign(why) => Some(why), _ => None },
                "changes": one.differences(),
                "mend": one.item.control.mend,
            })).collect::<Vec<_>>(),
            "kept": self.kept,
            "cost": { "monthly_usd": total, "prices_of": AS_OF, "assumed": ASSUMED, "lines": self.costs },
            "notes": self.desired.notes.iter().map(|it| json!({ "path": it.path, "text": it.text })).collect::<Vec<_>>(),
        })
    }
}

fn step_json(step: &Step<'_>) -> Value {
    let undo = match &step.undo {
        Undo::Freely => Value::Null,
        Undo::Partly(why) => json!({ "undo": "partly", "why": why }),
        Undo::Never { bucket, retention } => {
            json!({ "undo": "never", "confirm": confirmation(bucket, *retention) })
        }
    };
    json!({
        "id": step.item.id(),
        "action": verb(step),
        "control": step.item.control.id,
        "requirement": step.item.control.requirement.number(),
        "changes": step.differences,
        "along": step.along.iter().map(|one| one.item.id()).collect::<Vec<_>>(),
        "irreversible": undo,
    })
}

/// What has to be given on the command line for it.
fn confirmation(bucket: &str, retention: RetentionChoice) -> String {
    format!("{bucket}={}:{}", retention.mode, retention.days)
}

pub(in crate::bootstrap) fn verb(step: &Step<'_>) -> &'static str {
    match step.found {
        Found::Absent => "create",
        Found::Present(_) | Found::Foreign(_) => "change",
    }
}

fn serves(item: &Item<'_>) -> String {
    let requirement = item.control.requirement;
    format!("  [{} {}]", requirement.number(), requirement.title())
}

fn show_step(f: &mut fmt::Formatter<'_>, number: usize, step: &Step<'_>) -> fmt::Result {
    let sign = if verb(step) == "create" { '+' } else { '~' };
    writeln!(f, "{number:>3} {sign} {}{}", step.item.id(), serves(&step.item))?;
    for change in &step.differences {
        show_change(f, &step.found, change)?;
    }
    for one in &step.along {
        writeln!(f, "      with its {}{}", one.item.part, serves(&one.item))?;
    }
    match &step.undo {
        Undo::Freely => Ok(()),
        Undo::Partly(why) => writeln!(f, "      cannot be undone entirely: {why}"),
        Undo::Never { bucket, retention } => {
            writeln!(
                f,
                "      CANNOT BE UNDONE; needs --confirm-irreversible {}",
                confirmation(bucket, *retention)
            )
        }
    }
}

fn show_change(f: &mut fmt::Formatter<'_>, found: &Found, change: &Difference) -> fmt::Result {
    // The whole of what is new, field by field.
    if let (Found::Absent, "", Some(Value::Object(fields))) = (found, change.field.as_str(), &change.wanted) {
        for (name, value) in fields {
            writeln!(f, "      {name}: {}", short(value))?;
        }
        return Ok(());
    }
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    writeln!(f, "      {}: {} -> {}", change.field, side(&change.found), side(&change.wanted))
}

/// Where something differs, in one line.
pub(in crate::bootstrap) fn fields(changes: &[Difference]) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    let each = changes.iter().map(|change| {
        let name = if change.field.is_empty() { "it" } else { &change.field };
        format!("{name} is {} and should be {}", side(&change.found), side(&change.wanted))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A value in a few words.
pub(in crate::bootstrap) fn short(value: &Value) -> String {
    let text = match value {
        // Policies are shown by their statements' names.
        Value::Object(fields) if fields.contains_key("Statement") => {
            let names = fields["Statement"].as_object().map(|statements| statements.keys().cloned());
            names.map_or_else(
                || "a policy".to_owned(),
                |names| format!("a policy of {}", names.collect::<Vec<_>>().join(", ")),
            )
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = text
        .replace("{{key_arn}}", "(the key's ARN)")
        .replace("{{endpoint_id}}", "(the endpoint's ID)")
        .replace("{{oidc_issuer}}", "(the cluster's issuer)");
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH).chain("…".chars()).collect()
}
