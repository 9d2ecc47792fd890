//! `verify`: every control of the table, judged by fresh reads. Reading and probing are IO; what it all comes to is
//! [`Report::judge`], which is pure. What could not be read is no pass: it fails, with the reason.
//!
//! Nothing of this depends on who made a bucket: the settings of one without the deployment's tag are read and judged as
//! all others are.

mod grounds;
mod judge;
mod page;
mod policy;
mod probe;
mod read;
mod show;
mod surroundings;
mod waive;

use time::OffsetDateTime;

pub use probe::{Answer, Probed, Probes, probe};
pub use read::{Reading, Seen, look};
pub use surroundings::{NodeGroup, Subscriptions, Surroundings, TrailSelectors, Way};
pub use waive::{WaiverState, Waiving};

use crate::spec::{Control, Desired, Requirement};

/// What a control comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Verdict {
    /// It holds.
    #[serde(rename = "PASS")]
    Pass,
    /// It does not hold, or nobody could see whether it does.
    #[serde(rename = "FAIL")]
    Fail,
    /// It does not hold, and a waiver in force says why.
    #[serde(rename = "WAIVED")]
    Waived,
    /// Nothing of the kind is declared, or it was not looked at on request.
    #[serde(rename = "N/A")]
    NotApplicable,
}

impl Verdict {
    /// As reports write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Waived => "WAIVED",
            Self::NotApplicable => "N/A",
        }
    }

    /// Of several: the one that matters most.
    fn of(verdicts: impl Iterator<Item = Self>) -> Self {
        let weight = |verdict: &Self| match verdict {
            Self::NotApplicable => 0,
            Self::Pass => 1,
            Self::Waived => 2,
            Self::Fail => 3,
        };
        verdicts.max_by_key(weight).unwrap_or(Self::NotApplicable)
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// What, by its name in plans.
    pub what: String,
    /// The call that said so.
    pub source: &'static str,
    /// Whether it holds; `None` where that could not be seen.
    pub holds: Option<bool>,
    /// What was found.
    pub said: String,
}

/// One control, for one bucket, one role or the deployment.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Which control.
    pub control: &'static Control,
    /// `bucket …`, `role …`, or `deployment …`.
    pub subject: String,
    /// The outcome.
    pub verdict: Verdict,
    /// Whether it fails only because something could not be seen.
    pub unknown: bool,
    /// What it rests on; where it is not applicable: why.
    pub grounds: Vec<Ground>,
    /// The waiver that covers it, or did until it expired, by its place in the declaration.
    pub waiver: Option<usize>,
}

/// One of the things that the product was asked for.
#[derive(Debug, Clone)]
pub struct RequirementRow {
    /// Its number.
    pub number: u8,
    /// In a few words.
    pub title: &'static str,
    /// Of its controls, the one that matters most.
    pub verdict: Verdict,
    /// In one line: how its controls came out, or who judges it instead.
    pub said: String,
}

/// Everything that was seen, judged.
#[derive(Debug)]
pub struct Report<'d> {
    pub(super) desired: &'d Desired,
    /// Who looked.
    pub caller: String,
    /// When.
    pub at: OffsetDateTime,
    /// By number.
    pub requirements: Vec<RequirementRow>,
    /// By control, then by subject.
    pub judgements: Vec<Judgement>,
    /// Every waiver of the declaration, and what became of it.
    pub waivers: Vec<Waiving>,
    /// What had to be known before anything else, and was refused.
    pub refused: Vec<String>,
}

impl<'d> Report<'d> {
    /// Judges what was seen, as of `at`.
    pub fn judge(desired: &'d Desired, seen: &Seen<'d>, probes: &Probes, at: OffsetDateTime) -> Self {
        let mut judgements = judge::all(desired, seen, probes);
        let waivers = waive::apply(desired, &mut judgements, at.date());
        let requirements = requirements(&judgements, seen);
        Self {
            desired,
            caller: seen.caller.clone(),
            at,
            requirements,
            judgements,
            waivers,
            refused: seen.refused.clone(),
        }
    }

    /// Whether nothing fails that is not waived.
    pub fn holds(&self) -> bool {
        self.requirements.iter().all(|row| row.verdict != Verdict::Fail)
    }

    /// How many judgements came out so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.judgements.iter().filter(|judgement| judgement.verdict == verdict).count()
    }
}

/// What the account side has no part in.
const ELSEWHERE: [(u8, &str); 3] = [
    (11, "the data plane's: proxy doctor judges it"),
    (23, "the chart's: helm test judges it"),
    (24, "the chart's: helm test judges it"),
];
/// What this command is itself.
const ALL_OF_IT: u8 = 25;

fn requirements(judgements: &[Judgement], seen: &Seen<'_>) -> Vec<RequirementRow> {
    Requirement::all().map(|requirement| row(requirement, judgements, seen)).collect()
}

fn row(requirement: Requirement, judgements: &[Judgement], seen: &Seen<'_>) -> RequirementRow {
    let (number, title) = (requirement.number(), requirement.title());
    if let Some((_, said)) = ELSEWHERE.iter().find(|(other, _)| *other == number) {
        return RequirementRow { number, title, verdict: Verdict::NotApplicable, said: (*said).to_owned() };
    }
    if number == ALL_OF_IT {
        let verdict = Verdict::of(judgements.iter().map(|judgement| judgement.verdict));
        let (all, so) = (seen.readings.len(), seen.readings.iter().filter(|reading| reading.holds()).count());
        return RequirementRow {
            number,
            title,
            verdict,
            said: format!("{so} of {all} settings are as declared"),
        };
    }
    let of_it = || judgements.iter().filter(|judgement| judgement.control.requirement == requirement);
    let verdict = Verdict::of(of_it().map(|judgement| judgement.verdict));
    let count = |verdict| of_it().filter(|judgement| judgement.verdict == verdict).count();
    let each = [Verdict::Pass, Verdict::Fail, Verdict::Waived, Verdict::NotApplicable];
    let said = each.into_iter().filter(|verdict| count(*verdict) > 0);
    let said = said.map(|verdict| format!("{} {}", count(verdict), verdict.as_str()));
    RequirementRow { number, title, verdict, said: said.collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests;
