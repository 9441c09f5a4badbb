//! Requests for domains of other tools, made by name. They are looked at and left alone otherwise: no record is kept
//! of them, their devices and nodes are their own tool's business.

use hypervisor::{DomId, ShutdownCode};
use uuid::Uuid;
use xenstore::paths;

use super::{Asked, Listed, Manager, RequestError, ShutdownReason, Verdict, admit, task::standing_of};

impl Manager {
    /// Pauses or unpauses it.
    pub async fn vcpus_of_foreign(&self, listed: &Listed, asked: Asked) -> Result<(), RequestError> {
        match admit(standing_of(Some(&listed.info)), asked) {
            Verdict::AlreadyDone => return Ok(()),
            Verdict::Refuse(refusal) => {
                return Err(RequestError::Refused { name: listed.name().to_owned(), refusal });
            }
            Verdict::Queue => {}
        }
        let domid = listed.info.domid;
        let done = match asked {
            Asked::Pause => self.context.with_xen(move |xen| xen.pause(domid)).await,
            Asked::Unpause | Asked::Devices | Asked::Shutdown | Asked::Destroy => {
                self.context.with_xen(move |xen| xen.unpause(domid)).await
            }
        };
        done.map_err(|source| RequestError::Xen { act: "pause or unpause the domain", source })
    }

    /// Asks its guest to end.
    pub async fn shutdown_foreign(
        &self,
        listed: &Listed,
        reason: ShutdownReason,
    ) -> Result<(), RequestError> {
        if let Verdict::Refuse(refusal) = admit(standing_of(Some(&listed.info)), Asked::Shutdown) {
            return Err(RequestError::Refused { name: listed.name().to_owned(), refusal });
        }
        let domid = listed.info.domid;
        if reason == ShutdownReason::Crash {
            let forced =
                self.context.with_xen(move |xen| xen.force_shutdown(domid, ShutdownCode::Crash)).await;
            return forced.map_err(|source| RequestError::Xen { act: "crash the domain", source });
        }
        let written = self.context.store.write(&paths::control_shutdown(domid.0), reason.word()).await;
        written.map_err(|source| RequestError::Store { act: "ask the guest to shut down", source })
    }

    /// Ends it. The UUID is compared first: the number may belong to another domain by now.
    pub async fn destroy_foreign(&self, domid: DomId, uuid: Uuid) -> Result<(), RequestError> {
        let destroyed = self.context.with_xen(move |xen| match xen.info(domid)? {
            Some(info) if info.uuid == uuid => xen.destroy(domid),
            _ => Ok(()),
        });
        destroyed.await.map_err(|source| RequestError::Xen { act: "destroy the domain", source })
    }
}
