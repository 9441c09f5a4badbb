//! The host's own network: the script that `network-script` names makes it ready at each start of the daemon, before
//! guests are taken over and before the first request. Scripts find their work done when they are run again, so a
//! restart changes nothing. A host must stay manageable: whatever the script does, the daemon goes on.

use std::{path::Path, time::Duration};

use tracing::{debug, error, info};

use super::command::Options;
use crate::{
    devices::{HostScripts, ScriptCall, ScriptRunner},
    operations::Parts,
    settings::Places,
};

/// How long the script may take. Cards that negotiate and DHCP need tens of seconds; whoever starts the daemon waits.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Runs the script, if one is named.
pub(super) async fn prepare(options: &Options, parts: &Parts) {
    let Some((name, words)) = parts.settings.network_script.as_deref().and_then(<[String]>::split_first)
    else {
        return;
    };
    let Some(script) = parts.places.find_script(name) else {
        let folders = parts.places.script_folders().map(|folder| folder.display().to_string()).join(", ");
        error!("cannot find the network-script {name} in {folders}; the network of the host stays as it is");
        return;
    };
    let scripts: &dyn ScriptRunner = match options.simulate {
        false => &*parts.scripts,
        true if !is_inside(&script, &parts.places) => {
            info!("the network-script {} is not run in simulation", script.display());
            return;
        }
        // The simulated host's scripts know devices only.
        true => &of_simulation(&parts.places),
    };
    info!(script = %script.display(), "preparing the network of the host");
    let args = [&["start".to_owned()], words].concat();
    let call = ScriptCall { script, args, env: Vec::new(), time_limit: TIME_LIMIT };
    match scripts.run(call).await {
        Ok(()) => debug!("the network of the host is prepared"),
        Err(failed) => {
            let cause = std::error::Error::source(&failed).map(|cause| format!(": {cause}"));
            error!(
                "{failed}{}; the daemon goes on, guests may be without a network until it has been run again",
                cause.unwrap_or_default()
            );
        }
    }
}

/// A simulation touches no network but the one that its root was given a script for.
fn is_inside(script: &Path, places: &Places) -> bool {
    places.private_root().is_some_and(|root| script.starts_with(root))
}

fn of_simulation(places: &Places) -> HostScripts {
    let root = places.private_root().map(|root| ("XEN_HOTPLUG_ROOT".to_owned(), root.display().to_string()));
    HostScripts::new(places.hotplug_log(), root.into_iter().collect())
}
