//! The worker: opens Xen, the store and the records, takes over what an earlier life left, answers requests until it
//! is told to stop. Guests are not touched by its end.

use std::{io::Write, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use hypervisor::{Hypervisor, sim::HostConfig, xen::Xen};
use nix::sys::signal::SigSet;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};
use xenstore::{Endpoint, Store};

use super::{
    command::Options,
    log::{self, Foreground},
    network, pidfile,
    settings_file::{self, FileError, Loaded},
    supervise,
};
use crate::{
    api::{self, Api},
    devices::{HostScripts, ScriptRunner},
    events,
    manager::Manager,
    operations::{Context, Parts},
    settings::{Places, Settings},
    simulate::SimulatedHost,
    state::{ManagedStore, Records, open_gate},
};

/// Threads that serve requests; blocking work has threads of its own.
const SERVING_THREADS: usize = 2;
/// Threads for hypercalls, copies and fsync. More requests than this at once wait for each other.
const WORKING_THREADS: usize = 32;
const IDLE_THREAD_LIFE: Duration = Duration::from_secs(2);

/// Runs the worker to its end. Standard output is the readiness pipe.
pub(super) fn main(options: &Options, places: &Places) -> ExitCode {
    let foreground = if options.foreground { Foreground::Yes } else { Foreground::No };
    // The supervisor waits for its signals with them blocked, and a process begins as its parent is: blocked here, no
    // stop would be heard, nor the end of a script. Before any thread is started, which would begin blocked as well.
    if let Err(error) = SigSet::all().thread_unblock() {
        eprintln!("cannot unblock signals: {error}");
        return ExitCode::from(1);
    }
    // Before the log, which they name.
    let loaded = settings_file::load(places);
    let logging = match &loaded {
        Ok(loaded) => loaded.settings.logging.clone(),
        Err(_) => Settings::default().logging,
    };
    let log = log::start(&places.inside(&logging.file), logging.level, foreground);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVING_THREADS)
        .max_blocking_threads(WORKING_THREADS)
        .thread_keep_alive(IDLE_THREAD_LIFE)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(work(options, places, &log, loaded)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(Ended::Told) => ExitCode::SUCCESS,
        Ok(Ended::LostStore) => ExitCode::from(supervise::START_AGAIN),
        Err(error) => {
            error!("Exception starting xend ({error:#})");
            eprintln!("Exception starting xend: {error:#}");
            report(&format!("1{error:#}\n"));
            // A daemon that ran once is not given up because xenstored is not back yet.
            let again = std::env::var_os(supervise::AGAIN).is_some();
            ExitCode::from(if again { supervise::START_AGAIN } else { 1 })
        }
    }
}

/// Why the worker's work is over.
enum Ended {
    /// A signal said so.
    Told,
    /// The store's daemon is gone; a worker that is started anew connects to its successor.
    LostStore,
}

async fn work(
    options: &Options,
    places: &Places,
    log: &Path,
    loaded: Result<Loaded, FileError>,
) -> anyhow::Result<Ended> {
    info!("Xend Daemon started");
    let settings = loaded?.tell();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let records = Records::open(places.records(), open_gate())?;
    let folder = places.records();
    let _claim = pidfile::claim(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
    let (parts, simulation) = open(options, places, records, settings).await?;
    info!("Xend changeset: {} {}.", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    if let Some(reason) = parts.hypervisor.read_only_reason() {
        warn!("{reason}; domains can be listed, not made");
    }
    tokio::select! {
        () = network::prepare(options, &parts) => {}
        _ = terminate.recv() => return Ok(Ended::Told),
        _ = interrupt.recv() => return Ok(Ended::Told),
    }
    let manager = Manager::new(Context::new(parts));
    manager.adopt().await.context("cannot take over the domains that are there")?;
    let news = tokio::spawn(events::follow(manager.clone()));
    let api = Api::new(manager.clone(), log.to_owned());
    let socket = places.xmlrpc_socket();
    let starter = manager.clone();
    let serve = api::serve(api, &socket, || {
        report("0");
        tokio::spawn(async move { starter.start_with_xend().await });
    });
    tokio::pin!(serve);
    tokio::pin!(news);
    loop {
        tokio::select! {
            ended = &mut serve => {
                ended.context("the request server ended")?;
                anyhow::bail!("the request server ended");
            }
            lost = &mut news => {
                error!("lost xenstored: {}; starting again", lost?);
                return Ok(Ended::LostStore);
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(&manager, places).await,
        }
    }
    manager.act_on_stop().await;
    info!("stopping; guests go on");
    let _ = std::fs::remove_file(&socket);
    drop(simulation);
    Ok(Ended::Told)
}

async fn open(
    options: &Options,
    places: &Places,
    records: Records,
    settings: Settings,
) -> anyhow::Result<(Parts, Option<SimulatedHost>)> {
    let managed = ManagedStore::new(places.inside(&settings.folders.domains), open_gate());
    let places = places.clone();
    if options.simulate {
        let simulation = SimulatedHost::start(&places, HostConfig::default()).await?;
        let (hypervisor, store, scripts) =
            (simulation.hypervisor(), simulation.store(), simulation.scripts());
        let parts = Parts { hypervisor, store, records, managed, scripts, places, settings };
        return Ok((parts, Some(simulation)));
    }
    let hypervisor: Arc<dyn Hypervisor> = Arc::new(Xen::open().context(NO_XEN)?);
    let endpoint = Endpoint::discover(Path::new("/")).context("cannot find xenstored: is it running?")?;
    let store = Store::connect(&endpoint).await.context("cannot reach xenstored: is it running?")?;
    // Scripts find the store and, under a private root, everything else where the daemon does.
    let mut env = Vec::new();
    if let Endpoint::Socket(path) = &endpoint {
        env.push(("XENSTORED_PATH".to_owned(), path.display().to_string()));
    }
    if let Some(root) = places.private_root() {
        env.push(("XEN_HOTPLUG_ROOT".to_owned(), root.display().to_string()));
    }
    let scripts = HostScripts::new(places.hotplug_log(), env).with_checker(places.hotplug_program());
    let scripts: Arc<dyn ScriptRunner> = Arc::new(scripts);
    Ok((Parts { hypervisor, store, records, managed, scripts, places, settings }, None))
}

const NO_XEN: &str = "this is not a Xen host, or xenfs and xen-privcmd are not loaded (`modprobe xen-privcmd`). \
                      To try it without Xen: `cargo xtask try`, or `xend start --simulate --root DIR`";

/// What cannot be read changes nothing.
async fn reload(manager: &Manager, places: &Places) {
    info!("re-reading the settings");
    let places = places.clone();
    match crate::operations::blocking(move || settings_file::load(&places)).await {
        Ok(loaded) => manager.context().set_settings(loaded.tell()),
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            error!("{error}{cause}; the settings stay as they were");
        }
    }
}

/// Tells whoever started us, once, and gives the pipe up.
fn report(text: &str) {
    let mut pipe = std::io::stdout();
    // Nobody may be listening: a worker that was started again has no pipe.
    let _ = pipe.write_all(text.as_bytes()).and_then(|()| pipe.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(null);
    }
}
