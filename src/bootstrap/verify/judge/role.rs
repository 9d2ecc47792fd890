//! Roles: whether one could make itself more than it is.

use super::Case;
use crate::bootstrap::settings::{RolePart, Setting};
use crate::bootstrap::verify::{Ground, policy};
use crate::spec::Role;

impl Case<'_, '_> {
    /// Every policy of the role, and its boundary.
    pub(super) fn widening(&self, role: &Role) -> Vec<Ground> {
        let inline =
            self.reading(|it| matches!(it, Setting::Role(own, RolePart::Inline) if own.name == role.name));
        let attached =
            self.reading(|it| matches!(it, Setting::Role(own, RolePart::Attached) if own.name == role.name));
        let managed = self.seen.readings.iter().filter(|reading| {
            let is_of = |arn| role.boundary.as_ref() == Some(arn) || role.attached.contains(arn);
            matches!(reading.item.setting, Setting::Policy(policy) if is_of(&policy.arn))
        });
        let mut grounds: Vec<Ground> = inline
            .into_iter()
            .chain(managed)
            .map(|reading| {
                let (what, source) = (reading.item.id(), reading.item.setting.source());
                match (&reading.found, reading.value()) {
                    (Err(why), _) => Ground::unseen(what, source, why),
                    (Ok(_), found) => match found.and_then(policy::widens) {
                        None => Ground::holds(what, source, "allows nothing of IAM"),
                        Some(action) => Ground::fails(what, source, format!("allows {action}")),
                    },
                }
            })
            .collect();
        // What is attached beyond the declaration was not opened: it may allow anything.
        if let Some(reading) = attached {
            grounds.push(reading.ground(&self.seen.refused));
        }
        grounds
    }
}
