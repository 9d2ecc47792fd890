//! A report for people at a terminal and for machines.

use std::fmt;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::{Ground, Judgement, Report, Verdict, Waiving};
use crate::spec::controls::Subject;

/// How long a line's evidence may be in text; JSON has it whole.
const WIDTH: usize = 200;

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desired = self.desired;
        let (name, region, account) = (&desired.name, &desired.region, &desired.account);
        writeln!(f, "{name} in {region}, account {account}, as {}, at {}\n", self.caller, self.time())?;
        for row in &self.requirements {
            let (number, title) = (row.number, row.title);
            writeln!(f, "{:<6} {number:>2} {title}: {}", row.verdict.as_str(), row.said)?;
        }
        for refused in &self.refused {
            writeln!(f, "\nrefused: {refused}")?;
        }
        let shown = [Verdict::Fail, Verdict::Waived];
        for judgement in shown.iter().flat_map(|verdict| self.of(*verdict)) {
            self.show(f, judgement)?;
        }
        for waiving in &self.waivers {
            writeln!(f, "\nwaiver {}", waiver_line(waiving))?;
        }
        writeln!(f, "\n{}", self.summary())
    }
}

impl Report<'_> {
    pub(super) fn time(&self) -> String {
        let at = self.at.replace_nanosecond(0).unwrap_or(self.at);
        at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
    }

    pub(super) fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Judgement> {
        self.judgements.iter().filter(move |judgement| judgement.verdict == verdict)
    }

    /// How many of each.
    pub(super) fn summary(&self) -> String {
        let [pass, fail, waived, none] =
            [Verdict::Pass, Verdict::Fail, Verdict::Waived, Verdict::NotApplicable].map(|it| self.count(it));
        let unknown = self.judgements.iter().filter(|judgement| judgement.unknown).count();
        format!("{pass} PASS, {fail} FAIL ({unknown} unknown), {waived} WAIVED, {none} N/A")
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, judgement: &Judgement) -> fmt::Result {
        let control = judgement.control;
        let number = control.requirement.number();
        writeln!(f, "\n{} {} [{number}] {}", verdict(judgement), control.id, judgement.subject)?;
        writeln!(f, "    should be: {}", control.title)?;
        for ground in judgement.grounds.iter().filter(|ground| ground.holds != Some(true)) {
            writeln!(f, "    {} ({}): {}", ground.what, ground.source, cut(&ground.said))?;
        }
        if let Some(waiving) = self.waiving(judgement) {
            writeln!(f, "    {}", covered(judgement, waiving))?;
        }
        if judgement.verdict == Verdict::Fail {
            writeln!(f, "    mend: {}", control.mend)?;
        }
        Ok(())
    }

    pub(super) fn waiving(&self, judgement: &Judgement) -> Option<&Waiving> {
        judgement.waiver.and_then(|at| self.waivers.get(at))
    }

    /// The whole report.
    pub fn to_json(&self) -> Value {
        let requirements = self.requirements.iter().map(|row| {
            let of_it = self.judgements.iter().filter(|it| it.control.requirement.number() == row.number);
            let mut controls: Vec<&str> = of_it.map(|it| it.control.id).collect();
            controls.dedup();
            json!({
                "number": row.number, "title": row.title, "verdict": row.verdict, "said": row.said,
                "controls": controls,
            })
        });
        json!({
            "deployment": self.desired.name.as_str(),
            "account": self.desired.account.as_str(),
            "region": self.desired.region.as_str(),
            "caller": self.caller,
            "time": self.time(),
            "holds": self.holds(),
            "counts": {
                "PASS": self.count(Verdict::Pass),
                "FAIL": self.count(Verdict::Fail),
                "WAIVED": self.count(Verdict::Waived),
                "N/A": self.count(Verdict::NotApplicable),
            },
            "refused": self.refused,
            "requirements": requirements.collect::<Vec<_>>(),
            "controls": self.judgements.iter().map(|it| self.judgement_json(it)).collect::<Vec<_>>(),
            "waivers": self.waivers.iter().map(waiver_json).collect::<Vec<_>>(),
        })
    }

    fn judgement_json(&self, judgement: &Judgement) -> Value {
        let control = judgement.control;
        let kind = match control.subject {
            Subject::Bucket => "bucket",
            Subject::Role => "role",
            Subject::Deployment => "deployment",
        };
        json!({
            "control": control.id,
            "requirement": control.requirement.number(),
            "security_hub": control.security_hub,
            "title": control.title,
            "kind": kind,
            "subject": judgement.subject,
            "verdict": judgement.verdict,
            "unknown": judgement.unknown,
            "evidence": judgement.grounds.iter().map(ground_json).collect::<Vec<_>>(),
            "mend": (judgement.verdict == Verdict::Fail).then_some(control.mend),
            "waiver": self.waiving(judgement).map(waiver_json),
        })
    }
}

fn ground_json(ground: &Ground) -> Value {
    json!({ "what": ground.what, "source": ground.source, "holds": ground.holds, "said": ground.said })
}

fn waiver_json(waiving: &Waiving) -> Value {
    let waiver = &waiving.waiver;
    json!({
        "control": waiver.control,
        "bucket": waiver.bucket.as_ref().map(ToString::to_string),
        "reason": waiver.reason,
        "owner": waiver.owner,
        "until": waiver.until.to_string(),
        "state": waiving.state,
    })
}

/// The verdict, and whether it is for want of sight.
pub(super) fn verdict(judgement: &Judgement) -> String {
    let word = judgement.verdict.as_str();
    if judgement.unknown { format!("{word} (unknown)") } else { word.to_owned() }
}

/// What a waiver does for a judgement.
pub(super) fn covered(judgement: &Judgement, Waiving { waiver, .. }: &Waiving) -> String {
    let owner = waiver.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
    let (until, reason) = (waiver.until, &waiver.reason);
    if judgement.verdict == Verdict::Waived {
        return format!("waived until {until}{owner}: {reason}");
    }
    format!("the waiver expired on {until}{owner}: {reason}")
}

/// A waiver and what became of it.
pub(super) fn waiver_line(Waiving { waiver, state }: &Waiving) -> String {
    let bucket = waiver.bucket.as_ref().map(|bucket| format!(" of {bucket}")).unwrap_or_default();
    format!("{}{bucket} until {}: {}", waiver.control, waiver.until, state.as_str())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH).chain("…".chars()).collect()
}
