//! What a simulated guest is told to do, by words of its kernel's command line that begin with `sim.`.

use std::time::Duration;

use hypervisor::ShutdownCode;

/// The script of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// `sim.crash_after=MS`, `sim.poweroff_after=MS`, `sim.reboot_after=MS`: ends like this, so long after its start. The
    /// last of these words counts.
    pub end: Option<(ShutdownCode, Duration)>,
    /// `sim.ignore_shutdown`: never looks at `control/shutdown`, like a guest that hangs.
    pub ignores_shutdown: bool,
    /// `sim.shutdown_after=MS`: takes so long from a request to shut down until it does.
    pub shutdown_takes: Duration,
    /// `sim.lets_go_after=MS`: has its devices in use for so long after it was asked to let go of one.
    pub lets_go_after: Duration,
    /// `sim.no_frontend`: has no drivers for its devices.
    pub lacks_frontends: bool,
    /// `sim.no_console`: prints nothing and reads nothing.
    pub lacks_console: bool,
    /// Words that begin with `sim.` and mean nothing: the guest prints them.
    pub unknown: Vec<String>,
}

impl Behaviour {
    /// Reads a command line.
    pub fn parse(command_line: &str) -> Self {
        let mut behaviour = Self::default();
        for word in command_line.split_ascii_whitespace() {
            if let Some(rest) = word.strip_prefix("sim.")
                && behaviour.take(rest).is_none()
            {
                behaviour.unknown.push(word.to_owned());
            }
        }
        behaviour
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let Some((name, value)) = word.split_once('=') else {
            match word {
                "ignore_shutdown" => self.ignores_shutdown = true,
                "no_frontend" => self.lacks_frontends = true,
                "no_console" => self.lacks_console = true,
                _ => return None,
            }
            return Some(());
        };
        let time = Duration::from_millis(value.parse().ok()?);
        match name {
            "crash_after" => self.end = Some((ShutdownCode::Crash, time)),
            "poweroff_after" => self.end = Some((ShutdownCode::Poweroff, time)),
            "reboot_after" => self.end = Some((ShutdownCode::Reboot, time)),
            "lets_go_after" => self.lets_go_after = time,
            "shutdown_after" => self.shutdown_takes = time,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hypervisor::ShutdownCode;

    use super::Behaviour;

    #[test]
    fn words_of_the_command_line_make_the_script() {
        let line =
            "root=/dev/xvda1 sim.crash_after=5 ro sim.ignore_shutdown sim.reboot_after=250 sim.no_frontend";
        let behaviour = Behaviour::parse(line);
        assert_eq!(behaviour.end, Some((ShutdownCode::Reboot, Duration::from_millis(250))));
        assert!(behaviour.ignores_shutdown && behaviour.lacks_frontends && !behaviour.lacks_console);
        assert!(behaviour.unknown.is_empty());
    }

    #[test]
    fn words_that_mean_nothing_are_kept_for_a_complaint() {
        let behaviour = Behaviour::parse("sim.crash_after=soon sim.dance sim. simple");
        assert_eq!(behaviour.unknown, ["sim.crash_after=soon", "sim.dance", "sim."]);
        assert_eq!(behaviour.end, None);
    }
}
