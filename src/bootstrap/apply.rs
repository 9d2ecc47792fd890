//! Carries a plan out, step by step: the lease is still ours, the setting is still what the plan saw, write, read back.
//! Whatever stops it, running it again goes on from there.

use std::io;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::account::CallError;
use super::context::Context;
use super::journal::Journal;
use super::lease::{Lease, LeaseError};
use super::patience::Patience;
use super::plan::{Plan, Step, Undo, verb};
use super::settings::{Found, Setting};
use super::survey::observe;

/// Why an apply stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// AWS failed.
    #[error("step {done} of {all}, {id}: {error}")]
    Step {
        /// The step's number.
        done: usize,
        /// Steps of the plan.
        all: usize,
        /// The step's name.
        id: String,
        /// What AWS said.
        #[source]
        error: CallError,
    },
    /// Somebody changed it since the plan was made.
    #[error("{id} is no longer what the plan saw: somebody else is changing it; make a new plan")]
    Changed {
        /// The step's name.
        id: String,
    },
    /// The lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The journal cannot be written; nothing is done without it.
    #[error("the journal: {0}")]
    Journal(#[from] io::Error),
    /// Asked to stop.
    #[error("stopped between two steps, as asked; run apply again to go on")]
    Stopped,
}

/// Does every step of a plan. `progress` is told of each step before it is done.
pub async fn apply<'d>(
    cx: &mut Context<'d>,
    plan: &Plan<'d>,
    lease: &mut Lease<'_>,
    journal: &mut Journal,
    patience: Patience,
    mut progress: impl FnMut(usize, &Step<'d>),
) -> Result<(), ApplyError> {
    journal.write("begin", json!({ "steps": plan.steps.len(), "lease": lease.generation() }))?;
    let mut asked_to_stop = Box::pin(tokio::signal::ctrl_c());
    for (at, step) in plan.steps.iter().enumerate() {
        if asked_to_stop.as_mut().now_or_never().is_some() {
            journal.write("stopped", json!({}))?;
            return Err(ApplyError::Stopped);
        }
        progress(at, step);
        lease.check().await?;
        journal.write("step", opening(step))?;
        let done = take(cx, step, patience).await;
        journal.write("done", closing(step, &done))?;
        match done {
            Ok(Taken::Changed(_)) => return Err(ApplyError::Changed { id: step.item.id() }),
            Ok(Taken::Written(_) | Taken::Already) => {}
            Err(error) => {
                let (done, all) = (at + 1, plan.steps.len());
                return Err(ApplyError::Step { done, all, id: step.item.id(), error });
            }
        }
    }
    journal.write("end", json!({}))?;
    Ok(())
}

enum Taken {
    /// Written and read back, with so many attempts.
    Written(u32),
    /// It was so already.
    Already,
    /// It is neither what the plan saw nor what is wanted.
    Changed(Value),
}

async fn take<'d>(cx: &mut Context<'d>, step: &Step<'d>, patience: Patience) -> Result<Taken, CallError> {
    let now = observe(cx, step.item).await?;
    if now.holds() {
        return Ok(Taken::Already);
    }
    // What came along with its resource was absent when the plan was made.
    if now.found != step.found && step.found != Found::Absent {
        return Ok(Taken::Changed(json!(now.found.value())));
    }
    if now.wanted.to_string().contains("{{") {
        return Err(CallError::Unknown { resource: step.item.id() });
    }
    let attempts = {
        let cx = &*cx;
        let write = async || Box::pin(step.item.setting.write(cx, &now.wanted, &now.found)).await;
        patience.while_refused(write).await?
    };
    if matches!(step.item.setting, Setting::Key(..) | Setting::Endpoint(..)) {
        cx.refresh().await?;
    }
    let look = async || {
        let read = observe(cx, step.item).await?;
        Ok(if read.holds() { Ok(()) } else { Err(read.found) })
    };
    match patience.until(look).await? {
        Ok(()) => Ok(Taken::Written(attempts)),
        Err(found) => Err(CallError::NotTaken {
            resource: step.item.id(),
            found: found.value().map_or_else(|| format!("{found:?}"), Value::to_string),
        }),
    }
}

fn opening(step: &Step<'_>) -> Value {
    json!({
        "id": step.item.id(),
        "control": step.item.control.id,
        "precondition": step.found.value(),
        "action": verb(step),
        "wanted": step.wanted,
        "irreversible": matches!(step.undo, Undo::Never { .. }),
    })
}

fn closing(step: &Step<'_>, done: &Result<Taken, CallError>) -> Value {
    let mut line = json!({ "id": step.item.id() });
    match done {
        Ok(Taken::Written(attempts)) => {
            line["result"] = "written".into();
            line["read_back"] = "as wanted".into();
            line["attempts"] = (*attempts).into();
        }
        Ok(Taken::Already) => line["result"] = "already so".into(),
        Ok(Taken::Changed(found)) => {
            line["result"] = "changed by somebody else".into();
            line["read_back"] = found.clone();
        }
        Err(error) => {
            line["result"] = "failed".into();
            line["error"] = error.to_string().into();
            line["code"] = error.code().into();
            line["request_id"] = error.request_id().into();
        }
    }
    line
}
