//! How a task makes its domain: a creation, the start of a managed one, a restart. What has to wait for devices listens
//! to its queue meanwhile, so that a domain whose devices do not come can be destroyed.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{error, info, warn};
use xend_api::classic::log as classic;
use xenstore::{StoreError, paths};

use super::{
    RequestError,
    hotplug::unless_destroyed,
    task::{Completion, Next, Reply, Task},
};
use crate::{
    domain::Phase,
    operations::{Operation, OperationError, Step, chain, plan, run},
};

/// How the making of a domain ended that met no error.
enum Made {
    /// It is as it was to be.
    Whole,
    /// It is to be destroyed: the request is the next message.
    Unwanted,
}

impl Task {
    /// Makes the domain for the first time; undone before the answer when that fails, so that the next request finds
    /// nothing of it.
    pub(super) async fn create(&mut self, completion: Completion, reply: Reply<()>) -> Next {
        info!(name = %self.name(), uuid = %self.domain.uuid(), ?completion, "creating");
        let operation = match completion {
            Completion::LeftPaused => Operation::Create,
            Completion::Connected => Operation::StartPaused,
            Completion::Runs => Operation::Start,
        };
        match self.bring_up(&plan(operation)).await {
            Ok(Made::Whole) => {
                if completion == Completion::LeftPaused {
                    self.domain.record.phase = Phase::Live;
                    let settings = self.context.settings();
                    let patience = settings.device_create_timeout + settings.creator_limit;
                    self.in_hand = Some(Instant::now() + patience);
                }
                info!(domid = self.domid_text(), name = %self.name(), ?completion, "created");
                let next = if completion == Completion::Runs { self.finish().await } else { Next::Wait };
                self.publish();
                let _ = reply.send(Ok(()));
                next
            }
            Ok(Made::Unwanted) => {
                let _ = reply.send(Err(RequestError::WentAway { name: self.name() }));
                Next::Wait
            }
            Err(source) => {
                let operation = if completion == Completion::LeftPaused { "create" } else { "start" };
                let source = Arc::new(source);
                let failed = RequestError::Failed { operation, name: self.name(), source };
                error!(name = %self.name(), "{}", chain(&failed));
                let next = self.undo().await;
                if matches!(next, Next::End) {
                    self.place = None;
                }
                let _ = reply.send(Err(failed));
                next
            }
        }
    }

    /// Makes the domain one that a crash of the daemon leaves alone.
    pub(super) async fn settle(&mut self) -> Result<(), RequestError> {
        if self.in_hand.is_some() || self.unrecorded {
            let written = run(&self.context, &mut self.domain, &[Step::Record(Phase::Live)]).await;
            written.map_err(|source| self.failed("create", source))?;
            (self.in_hand, self.unrecorded) = (None, false);
        }
        Ok(())
    }

    /// Whoever asked for the domain neither waited for its devices nor started it: a client that was killed. Nobody
    /// else would start it.
    pub(super) async fn give_up_on_creator(&mut self) -> Next {
        self.in_hand = None;
        warn!(domid = self.domid_text(), name = %self.name(), "its creator has gone without starting it: it is taken away");
        self.undo().await
    }

    /// Takes the domain away and makes it again; its devices are connected before it runs, as a client would do it.
    pub(super) async fn restart(&mut self) -> Next {
        self.store_pending().await;
        let old = self.domid_text();
        self.view.send_modify(|view| view.phase = Phase::Restarting);
        match self.bring_up(&plan(Operation::Restart)).await {
            Ok(Made::Whole) => {
                info!(domid = self.domid_text(), name = %self.name(), was = old, "restarted");
                self.finish().await
            }
            Ok(Made::Unwanted) => Next::Wait,
            Err(why) => {
                error!("{} {}", classic::failed_to_restart(old), chain(&why));
                if matches!(self.context.store.read(paths::DOMAINS).await, Err(StoreError::Lost { .. })) {
                    // The daemon is about to start again; its next life does the restart, by the record.
                    self.retry.schedule();
                    return Next::Wait;
                }
                self.undo().await
            }
        }
    }

    /// Performs the steps, listening while the devices are waited for. Behind `Unpause` the domain runs, and the rest
    /// is [`Task::finish`]'s: a guest is not ended for a record that can't be written.
    async fn bring_up(&mut self, steps: &[Step]) -> Result<Made, OperationError> {
        let at = |step| steps.iter().position(|other| *other == step);
        let end = at(Step::Unpause).map_or(steps.len(), |at| at + 1);
        let made = at(Step::AwaitDevices).unwrap_or(end);
        run(&self.context, &mut self.domain, &steps[..made]).await?;
        // Its devices may take their time; everybody is to see the new number meanwhile.
        self.publish();
        let Some((waiting, rest)) = steps[made..end].split_first() else { return Ok(Made::Whole) };
        let waiting = run(&self.context, &mut self.domain, std::slice::from_ref(waiting));
        match unless_destroyed(&mut self.queue, &mut self.put_off, None, waiting).await {
            Some(done) => done?,
            None => return Ok(Made::Unwanted),
        }
        run(&self.context, &mut self.domain, rest).await?;
        Ok(Made::Whole)
    }
}
