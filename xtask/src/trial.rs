//! `cargo xtask try`: a real hypervisor, our daemon, a guest's console, with one command.
//!
//! A person is left at the guest's console, then at a prompt of dom0. Without a terminal the same commands are
//! typed by us, and what they show is the transcript; any of them that fails ends it with a failure.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::screen::Screen;
use lab::{Host, Progress, Suite};

use crate::install::Build;
use crate::progress::Steps;
use crate::terminal::{self, Keyboard};
use crate::{deps, lab_run};

const EXAMPLES: &str = "cp /usr/share/doc/xend/examples/*.cfg /etc/xen";
const BOOT: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(120);

/// Boots a host, starts the daemon and the guest of the handbooks.
pub(crate) fn run(suite: Suite) -> Result<ExitCode> {
    deps::provide()?;
    let options = lab_run::prepared(Build::Make)?;
    let steps = Steps::new();
    let prepared = Host::boot(suite, &options, &steps).and_then(|host| {
        host.must(EXAMPLES)?;
        steps.step("starting xend");
        host.must("xend start > /dev/null 2>&1 < /dev/null; xend status")?;
        Ok(host)
    });
    let host = match prepared {
        Ok(host) => host,
        Err(error) => {
            steps.fail();
            return Err(error);
        }
    };
    steps.finish();
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        by_a_person(&host)
    } else {
        by_itself(&host)
    }
}

fn by_a_person(host: &Host) -> Result<ExitCode> {
    let keyboard = Keyboard::open();
    let size = terminal::size();
    println!(
        "Xen {} runs, and xend in its dom0. Here comes the guest: log in as root, no password;",
        host.suite().xen()
    );
    println!("Ctrl-] leaves its console for a prompt of dom0.\n\ndom0# xm create -c debian1.cfg");
    let session = host.terminal(&format!("{size}; cd /root; exec xm create -c debian1.cfg"))?;
    let status = keyboard.drive(&session)?;
    ensure!(status == 0, "xm create ended with status {status}; xend's log says:\n{}", log(host));
    println!(
        "\r\nThis is dom0: try `xm list`, `xm console debian1`, `xm shutdown -w debian1`; `exit` ends it all.\r\n"
    );
    let session = host.terminal(&format!("{size}; cd /root; export PS1='dom0# '; exec bash --norc -i"))?;
    keyboard.drive(&session)?;
    println!();
    Ok(ExitCode::SUCCESS)
}

fn by_itself(host: &Host) -> Result<ExitCode> {
    at_the_guests_console(host).with_context(|| format!("xend's log says:\n{}", log(host)))?;
    for command in ["xm list", "xm info | head -n 8", "xm shutdown -w debian1", "xm list"] {
        println!("\ndom0# {command}");
        let output = host.run_within(command, BOOT)?;
        print!("{}{}", output.stdout, output.stderr);
        ensure!(output.status == 0, "{command} ended with status {}", output.status);
    }
    Ok(ExitCode::SUCCESS)
}

fn at_the_guests_console(host: &Host) -> Result<()> {
    println!("dom0# xm create -c debian1.cfg");
    let mut screen = Screen::open(host, "cd /root; exec xm create -c debian1.cfg")?;
    watch(&mut screen, "login: ", BOOT)?;
    screen.send("root\n")?;
    watch(&mut screen, "# ", SOON)?;
    for (command, answer) in
        [("uname -sr", "Linux "), ("df -T / | tail -n 1", "ext4"), ("ip -4 addr show eth0", "inet ")]
    {
        screen.send(&format!("{command}\n"))?;
        watch(&mut screen, answer, SOON)?;
        watch(&mut screen, "# ", SOON)?;
    }
    screen.send("\x1d")?;
    let status = screen.end(SOON)?;
    ensure!(status == 0, "the console ended with status {status}");
    println!();
    Ok(())
}

/// Waits for a text and shows all that comes before it.
fn watch(screen: &mut Screen, text: &str, within: Duration) -> Result<()> {
    let shown = screen.expect(text, within)?;
    // The guest's shell asks the terminal where its cursor is; a transcript has none.
    print!("{}", shown.replace("\x1b[6n", "").replace('\r', ""));
    io::stdout().flush().context("cannot write the transcript")
}

fn log(host: &Host) -> String {
    host.run("tail -n 40 /var/log/xen/xend.log").map(|output| output.stdout).unwrap_or_default()
}
