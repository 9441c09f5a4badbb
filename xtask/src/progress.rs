//! Shows what is going on: a spinner on a terminal, plain lines with the time elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Steps of one long undertaking, shown on standard error.
pub(crate) struct Steps {
    begun: Instant,
    current: Mutex<Option<(String, Instant)>>,
    bar: Option<ProgressBar>,
}

impl Steps {
    /// Nothing is shown before the first step.
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar
        });
        Self { begun: Instant::now(), current: Mutex::new(None), bar }
    }

    /// What the current step is about just now; only seen on a terminal.
    pub(crate) fn detail(&self, what: &str) {
        if let (Some(bar), Some((step, _))) =
            (&self.bar, &*self.current.lock().unwrap_or_else(|e| e.into_inner()))
        {
            bar.set_message(format!("{step}: {what}"));
        }
    }

    /// The last step has been done.
    pub(crate) fn finish(&self) {
        self.close("✓");
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The last step has failed.
    pub(crate) fn fail(&self) {
        self.close("✗");
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn close(&self, sign: &str) {
        let mut current = self.current.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((what, since)) = current.take() {
            let line = format!("{sign} {what} ({:.1} s)", since.elapsed().as_secs_f32());
            match &self.bar {
                Some(bar) => bar.println(line),
                None => eprintln!("[{:6.1} s] {line}", self.begun.elapsed().as_secs_f32()),
            }
        }
    }
}

impl lab::Progress for Steps {
    fn step(&self, what: &str) {
        self.close("✓");
        *self.current.lock().unwrap_or_else(|e| e.into_inner()) = Some((what.to_owned(), Instant::now()));
        match &self.bar {
            Some(bar) => {
                bar.reset_elapsed();
                bar.set_message(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            None => eprintln!("[{:6.1} s]   {what} …", self.begun.elapsed().as_secs_f32()),
        }
    }
}
