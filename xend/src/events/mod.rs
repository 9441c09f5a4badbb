//! News from outside: a domain has appeared, shut down or died. News is an id at most, never an order: the manager
//! looks and decides.

use std::time::Duration;

use tracing::{error, warn};
use xenstore::{StoreError, Watch, paths};

use crate::manager::Manager;

/// After an error of the hypervisor the next look is made this much later, and after twice as much the time after.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Follows the store's news of domains until the store is lost.
pub async fn follow(manager: Manager) -> StoreError {
    match watch(&manager).await {
        Ok((released, introduced)) => follow_watches(manager, released, introduced).await,
        Err(lost) => lost,
    }
}

async fn watch(manager: &Manager) -> Result<(Watch, Watch), StoreError> {
    let store = &manager.context().store;
    Ok((store.watch(paths::RELEASE_DOMAIN).await?, store.watch(paths::INTRODUCE_DOMAIN).await?))
}

async fn follow_watches(manager: Manager, mut released: Watch, mut introduced: Watch) -> StoreError {
    let mut pause = FIRST_PAUSE;
    loop {
        let news = tokio::select! {
            news = released.next() => news,
            news = introduced.next() => news,
        };
        if let Err(lost) = news {
            error!("lost the store: {lost}");
            return lost;
        }
        while let Err(fault) = manager.look_for_changes().await {
            warn!("cannot look at the domains: {fault}; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        pause = FIRST_PAUSE;
    }
}
