//! What every operation works with: Xen, the store, the records, the scripts and the settings.

use std::sync::{Arc, PoisonError, RwLock};

use hypervisor::Hypervisor;
use xenstore::Store;

use crate::{
    builder::{CacheLimits, KernelCache},
    devices::ScriptRunner,
    settings::{Places, Settings},
    state::{ManagedStore, Records},
};

/// Shared by all operations of a daemon.
#[derive(Clone)]
pub struct Context {
    /// Xen or the simulator.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// The store, as domain 0.
    pub store: Store,
    /// Records on disk.
    pub records: Records,
    /// Managed domains on disk.
    pub managed: ManagedStore,
    /// Who runs hotplug scripts.
    pub scripts: Arc<dyn ScriptRunner>,
    /// Kernels that have been decompressed before.
    pub kernels: Arc<KernelCache>,
    /// Where things lie.
    pub places: Places,
    /// Options; replaced as a whole when the daemon is told to read them again.
    settings: Arc<RwLock<Arc<Settings>>>,
}

/// What a context is made of.
pub struct Parts {
    /// Xen or the simulator.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// The store, as domain 0.
    pub store: Store,
    /// Records on disk.
    pub records: Records,
    /// Managed domains on disk.
    pub managed: ManagedStore,
    /// Who runs hotplug scripts.
    pub scripts: Arc<dyn ScriptRunner>,
    /// Where things lie.
    pub places: Places,
    /// Options.
    pub settings: Settings,
}

impl Context {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { hypervisor, store, records, managed, scripts, places, settings } = parts;
        let kernels = Arc::new(KernelCache::new(places.kernels(), CacheLimits::default()));
        let settings = Arc::new(RwLock::new(Arc::new(settings)));
        Self { hypervisor, store, records, managed, scripts, kernels, places, settings }
    }

    /// The options as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the options.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Asks Xen something that it answers as quickly as the kernel answers a system call: what there is, how it stands.
    /// Everything longer, and everything that changes something, goes through [`Context::with_xen`].
    pub fn glance<T>(&self, ask: impl FnOnce(&dyn Hypervisor) -> T) -> T {
        ask(self.hypervisor.as_ref())
    }

    /// Runs a blocking piece of work with the hypervisor at hand on a worker thread.
    pub async fn with_xen<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Hypervisor) -> T + Send + 'static,
    ) -> T {
        let hypervisor = self.hypervisor.clone();
        blocking(move || work(hypervisor.as_ref())).await
    }
}

/// Runs blocking work on a worker thread; its buffers are moved in, so a caller that goes away frees nothing that Xen
/// may still write to. A panic in it goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only when the runtime itself is going down; nobody is left to see an answer.
            Err(_) => std::future::pending().await,
        },
    }
}
