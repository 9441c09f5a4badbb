//! One guest: what happens between its first instruction and its end.
//!
//! ```text
//!   verify boot ─ ok ──> banner ──> features, frontends ──> waits ─┬─ control/shutdown ──> poweroff, reboot
//!        └─ wrong: crashes                                         ├─ typed line ────────> answers, poweroff, …
//!                                                                  ├─ devices change ────> frontends
//!                                                                  └─ sim.…_after ───────> crash, poweroff, reboot
//! ```

use std::sync::Arc;
use std::time::Duration;

use hypervisor::ShutdownCode;
use hypervisor::sim::{BootReport, GuestView, Machine};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use xenstore::{Batch, Store, StoreError, Watch, paths};

use super::behaviour::Behaviour;
use super::frontends::{CLASSES, Frontends};

/// A console that nobody empties holds a guest up no longer than this.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(5);
/// The longest line that is kept while it is typed.
const LINE_MAX: usize = 200;

/// Holds a guest still while its domain is paused.
#[derive(Clone)]
pub(super) struct Holder {
    view: GuestView,
    unpaused: Arc<Notify>,
    boots: Arc<Semaphore>,
}

impl Holder {
    /// `unpaused` is told when the domain goes on; `boots` lets few guests boot at a time.
    pub(super) fn new(view: GuestView, unpaused: Arc<Notify>, boots: Arc<Semaphore>) -> Self {
        Self { view, unpaused, boots }
    }

    /// Returns when the guest may act. A domain that ended holds it for ever: its task is about to be aborted. To be called
    /// between looking and acting, so that what came while the domain was paused is not answered before it goes on.
    pub(super) async fn go_on(&self) {
        while !self.view.is_live() {
            self.unpaused.notified().await;
        }
    }
}

/// What ends a guest's life.
enum End {
    /// It shuts itself down.
    Shutdown(ShutdownCode),
    /// Its store is gone, which happens only when its domain is.
    Store(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A guest that has just been started.
pub(super) struct Guest {
    machine: Machine,
    view: GuestView,
    store: Store,
    holder: Holder,
    console: Arc<Notify>,
    line: Vec<u8>,
}

impl Guest {
    /// `store` has the rights of the domain.
    pub(super) fn new(machine: Machine, view: GuestView, store: Store, holder: Holder) -> Self {
        Self { machine, view, store, holder, console: Arc::new(Notify::new()), line: Vec::new() }
    }

    /// Lives.
    pub(super) async fn run(mut self) {
        let domid = self.view.domid();
        let code = match self.live().await {
            Err(End::Shutdown(code)) => code,
            Err(End::Store(error)) => {
                tracing::debug!(%domid, %error, "a simulated guest lost its store");
                return;
            }
            Ok(never) => match never {},
        };
        self.holder.go_on().await;
        if let Err(error) = self.view.shutdown(code) {
            tracing::debug!(%domid, %error, "a simulated guest ended before it shut down");
        }
    }

    async fn live(&mut self) -> Result<std::convert::Infallible, End> {
        let report = self.boot().await?;
        let command_line = report.start_info.command_line();
        let behaviour = Behaviour::parse(&command_line);
        let started = Instant::now();
        if !behaviour.lacks_console {
            self.open_console();
            self.print(&banner(&report, &command_line, &behaviour)).await;
        }
        let mut news = News::watch(&self.store, self.view.domid().0, &behaviour).await?;
        self.tell_features(&behaviour).await?;
        let mut frontends =
            Frontends::new(self.machine.clone(), self.view.domid(), self.store.clone(), self.holder.clone())
                .let_go_after(behaviour.lets_go_after);
        loop {
            let due = behaviour
                .end
                .map_or(Instant::now() + Duration::from_secs(1 << 30), |(_, time)| started + time);
            let found = tokio::select! {
                found = news.next() => found?,
                () = self.console.notified() => Found::Console,
                () = sleep_until(due) => Found::Due,
            };
            match found {
                Found::Shutdown => self.shutdown_asked(&behaviour).await?,
                Found::Devices => frontends.look().await?,
                Found::Console => self.typed().await?,
                Found::Due => {
                    let code = behaviour.end.map_or(ShutdownCode::Poweroff, |(code, _)| code);
                    return Err(End::Shutdown(code));
                }
            }
        }
    }

    /// Looks at everything that the builder made. A guest that was built wrong crashes, and the host's console says why.
    async fn boot(&self) -> Result<BootReport, End> {
        self.holder.go_on().await;
        let view = self.view.clone();
        let checked = {
            // The semaphore is never closed. A place is not kept while the domain is paused.
            let _place = self.holder.boots.acquire().await;
            // The p2m of a large domain takes a while to read.
            tokio::task::spawn_blocking(move || {
                let report = view.verify_boot();
                // A domain that ended meanwhile has nothing left to drop.
                let _ended = view.settle();
                report
            })
            .await
        };
        let domid = self.view.domid();
        match checked {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(error)) => {
                // A domain that was destroyed under our eyes is none that was built wrong.
                self.holder.go_on().await;
                tracing::warn!(%domid, %error, "a simulated guest does not boot");
                self.machine.print(&format!("d{domid} does not boot: {error}"));
                Err(End::Shutdown(ShutdownCode::Crash))
            }
            Err(error) => {
                tracing::error!(%domid, %error, "the check of a simulated guest failed");
                Err(End::Shutdown(ShutdownCode::Crash))
            }
        }
    }

    fn open_console(&self) {
        let Ok(port) = self.view.console_port() else { return };
        let arrived = Arc::clone(&self.console);
        let opened = self.machine.on_port(self.view.domid(), port, Arc::new(move || arrived.notify_one()));
        if let Err(error) = opened {
            tracing::debug!(domid = %self.view.domid(), %error, "a simulated guest has no console");
        }
    }

    /// Prints all of it, or what a console daemon takes in time.
    async fn print(&self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let Ok(put) = self.view.console_put(rest) else { return };
            rest = &rest[put..];
            if !rest.is_empty() && timeout(CONSOLE_PATIENCE, self.console.notified()).await.is_err() {
                return;
            }
        }
    }

    /// As Linux does at boot: without these nodes a toolstack must not ask.
    async fn tell_features(&self, behaviour: &Behaviour) -> Result<(), StoreError> {
        if behaviour.ignores_shutdown {
            return Ok(());
        }
        let domid = self.view.domid().0;
        let mut batch = Batch::new();
        for feature in [paths::node::control::FEATURE_POWEROFF, paths::node::control::FEATURE_REBOOT] {
            batch.write(paths::control_node(domid, feature), "1");
        }
        let told = self.store.commit(&batch).await;
        if let Err(error) = told {
            // A domain whose `control` it may not write to lives on, as a kernel does.
            tracing::debug!(%domid, %error, "a simulated guest cannot tell its features");
        }
        Ok(())
    }

    async fn shutdown_asked(&self, behaviour: &Behaviour) -> Result<(), End> {
        let path = paths::control_shutdown(self.view.domid().0);
        let request = self.store.read(&path).await?.unwrap_or_default();
        self.holder.go_on().await;
        let code = match request.as_str() {
            "poweroff" | "halt" => ShutdownCode::Poweroff,
            "reboot" => ShutdownCode::Reboot,
            "crash" => ShutdownCode::Crash,
            // Not simulated yet, and not acknowledged, so that nobody takes it for done.
            "" | "suspend" => return Ok(()),
            _ => {
                self.print(&format!("Ignoring shutdown request: {request}\r\n")).await;
                self.store.write(&path, "").await?;
                return Ok(());
            }
        };
        self.store.write(&path, "").await?;
        if !behaviour.lacks_console {
            self.print(&format!("\r\nThe system is going down: {request}\r\n")).await;
        }
        sleep(behaviour.shutdown_takes).await;
        Err(End::Shutdown(code))
    }

    /// Echoes what was typed and obeys whole lines.
    async fn typed(&mut self) -> Result<(), End> {
        let typed = self.view.console_get().unwrap_or_default();
        self.holder.go_on().await;
        for byte in typed {
            match byte {
                b'\r' | b'\n' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    self.print("\r\n").await;
                    self.obey(line.trim()).await?;
                }
                0x7f | 0x08 if self.line.pop().is_some() => self.print("\u{8} \u{8}").await,
                b' '..=b'~' if self.line.len() < LINE_MAX => {
                    self.line.push(byte);
                    self.print(&char::from(byte).to_string()).await;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn obey(&self, line: &str) -> Result<(), End> {
        match line {
            "" => {}
            "poweroff" | "halt" => return Err(End::Shutdown(ShutdownCode::Poweroff)),
            "reboot" => return Err(End::Shutdown(ShutdownCode::Reboot)),
            "crash" => return Err(End::Shutdown(ShutdownCode::Crash)),
            "help" => {
                self.print("This guest is simulated. It knows: poweroff, reboot, crash, help\r\n").await
            }
            other => self.print(&format!("{other}: not found (try help)\r\n")).await,
        }
        self.print(PROMPT).await;
        Ok(())
    }
}

const PROMPT: &str = "sim# ";

fn banner(report: &BootReport, command_line: &str, behaviour: &Behaviour) -> String {
    let memory_kib = report.start_info.nr_pages * 4;
    let ramdisk = report.start_info.mod_len / 1024;
    let mut text = format!(
        "Booting a simulated guest on Xen\r\nCommand line: {command_line}\r\n\
         Memory: {memory_kib}K, ramdisk: {ramdisk}K, page tables: {}\r\n",
        report.nr_tables,
    );
    for word in &behaviour.unknown {
        text.push_str(&format!("sim: {word} means nothing to a simulated guest\r\n"));
    }
    text.push_str(PROMPT);
    text
}

/// What a guest is told by the store, and what it finds out itself.
enum Found {
    Shutdown,
    Devices,
    Console,
    Due,
}

/// The watches of a guest.
struct News {
    shutdown: Option<Watch>,
    devices: Option<(Watch, Vec<Watch>)>,
}

impl News {
    async fn watch(store: &Store, domid: u16, behaviour: &Behaviour) -> Result<Self, StoreError> {
        let shutdown = if behaviour.ignores_shutdown {
            None
        } else {
            Some(store.watch(&paths::control_shutdown(domid)).await?)
        };
        if behaviour.lacks_frontends {
            return Ok(Self { shutdown, devices: None });
        }
        let mut backends = Vec::new();
        for class in CLASSES {
            backends.push(store.watch(&paths::backend_domain(0, class, domid)).await?);
        }
        Ok(Self { shutdown, devices: Some((store.watch(&paths::frontends(domid)).await?, backends)) })
    }

    /// The next news; never, for a guest that looks at nothing.
    async fn next(&mut self) -> Result<Found, StoreError> {
        let shutdown = async {
            match &mut self.shutdown {
                Some(watch) => watch.next().await,
                None => std::future::pending().await,
            }
        };
        let devices = async {
            let Some((own, backends)) = &mut self.devices else { return std::future::pending().await };
            let [vbd, vif] = backends.as_mut_slice() else { return own.next().await };
            tokio::select! { path = own.next() => path, path = vbd.next() => path, path = vif.next() => path }
        };
        tokio::select! {
            biased;
            path = shutdown => path.map(|_| Found::Shutdown),
            path = devices => path.map(|_| Found::Devices),
        }
    }
}
