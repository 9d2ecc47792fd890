//! Waivers: what fails and is set aside with a reason, until a day. One that has expired sets nothing aside, and says so.

use time::Date;

use super::{Judgement, Verdict};
use crate::spec::{Desired, Waiver, controls};

/// What became of a waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It sets something aside.
    Used,
    /// Nothing fails that it would set aside.
    Unused,
    /// Its last day has passed.
    Expired,
    /// It names a control of Security Hub that is not judged here.
    NotJudgedHere,
}

impl WaiverState {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused: nothing fails that it would set aside",
            Self::Expired => "expired",
            Self::NotJudgedHere => "for a control that is not judged here",
        }
    }
}

/// A waiver of the declaration, and what became of it.
#[derive(Debug, Clone)]
pub struct Waiving {
    /// As declared.
    pub waiver: Waiver,
    /// Its state on the day of the report.
    pub state: WaiverState,
}

/// Sets aside what the declaration's waivers cover on this day.
pub(super) fn apply(desired: &Desired, judgements: &mut [Judgement], today: Date) -> Vec<Waiving> {
    let each = desired.waivers.iter().enumerate().map(|(at, waiver)| Waiving {
        waiver: waiver.clone(),
        state: apply_one(desired, judgements, today, (at, waiver)),
    });
    each.collect()
}

fn apply_one(
    desired: &Desired,
    judgements: &mut [Judgement],
    today: Date,
    (at, waiver): (usize, &Waiver),
) -> WaiverState {
    let named = controls::named(&waiver.control);
    if named.is_empty() {
        return WaiverState::NotJudgedHere;
    }
    let bucket = waiver.bucket.as_ref().and_then(|base| desired.buckets.iter().find(|it| it.base == *base));
    let subject = bucket.map(|bucket| format!("bucket {}", bucket.name));
    let expired = waiver.until < today;
    let mut used = false;
    for judgement in judgements.iter_mut() {
        let covers = named.iter().any(|control| **control == *judgement.control)
            && subject.as_ref().is_none_or(|subject| *subject == judgement.subject);
        if !covers || judgement.verdict != Verdict::Fail {
            continue;
        }
        judgement.waiver = Some(at);
        if !expired {
            judgement.verdict = Verdict::Waived;
            used = true;
        }
    }
    match (expired, used) {
        (true, _) => WaiverState::Expired,
        (false, true) => WaiverState::Used,
        (false, false) => WaiverState::Unused,
    }
}
