//! What the lab asks of a dom0 very often, without a shell: under emulation each process costs a tenth of a second.
//!
//! ```text
//!   lab-agent time PROGRAM ARGUMENTS…          microseconds from its start to its end
//!   lab-agent hear FILE TEXT TIMES SECONDS     waits until the file has the text so often, then prints the file
//!   lab-agent facts                            everything a domain could leave, a line each
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a file that grows is read again.
const TICK: Duration = Duration::from_millis(100);

/// Runs the tool that `arguments` names.
pub(crate) fn run(arguments: &[String]) -> io::Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["time", program, ..] => time(program, &arguments[2..]),
        ["hear", file, text, times, seconds] => {
            let number = |word: &str| word.parse::<u32>().map_err(io::Error::other);
            let limit = Duration::from_secs(number(seconds)?.into());
            hear(Path::new(file), text, number(times)? as usize, limit)
        }
        ["facts"] => facts(),
        _ => Err(io::Error::other(format!("no such tool: {}", arguments.join(" ")))),
    }
}

/// The program's own time: this process is small, so starting another from it costs next to nothing.
fn time(program: &str, arguments: &[String]) -> io::Result<ExitCode> {
    // A file: a process that the program leaves behind would hold a pipe open.
    let said = Path::new("/tmp/lab-agent.time");
    let out = File::create(said)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
    let begin = Instant::now();
    let status = command.status()?;
    let took = begin.elapsed();
    if status.success() {
        println!("{}", took.as_micros());
        return Ok(ExitCode::SUCCESS);
    }
    io::stderr().write_all(&fs::read(said)?)?;
    Ok(ExitCode::FAILURE)
}

fn hear(file: &Path, text: &str, times: usize, limit: Duration) -> io::Result<ExitCode> {
    let deadline = Instant::now() + limit;
    loop {
        let said = fs::read(file).unwrap_or_default();
        let heard = String::from_utf8_lossy(&said).matches(text).count() >= times;
        if heard || Instant::now() >= deadline {
            io::stdout().write_all(&said)?;
            return Ok(if heard { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        thread::sleep(TICK);
    }
}

/// Kind, then value. The daemon's own figures are of all its processes together. Domains, free memory and the store are
/// told by Debian's tools: ours are what is being tested.
fn facts() -> io::Result<ExitCode> {
    for line in tool("xl", &["list"])?.lines().skip(1) {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(number)) = (words.next(), words.next()) {
            println!("domain {number} {name}");
        }
    }
    println!("free {}", tool("xl", &["info", "free_memory"])?.trim());
    for line in tool("xenstore-ls", &["-f", "/"])?.lines() {
        if ["/local/domain/", "/vm/"].iter().any(|folder| line.starts_with(folder)) {
            println!("node {line}");
        }
    }
    for name in names("/sys/class/net/xenbr0/brif") {
        println!("port {name}");
    }
    for name in names("/sys/block").into_iter().filter(|name| name.starts_with("loop")) {
        if let Ok(file) = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")) {
            println!("loop {name} {}", file.trim());
        }
    }
    for name in names("/sys/block").into_iter().filter(|name| name.starts_with("nbd")) {
        if Path::new(&format!("/sys/block/{name}/pid")).exists() {
            let mark = fs::read_to_string(format!("/sys/block/{name}/backend")).unwrap_or_default();
            println!("nbd {name} {}", mark.trim());
        }
    }
    for folder in ["/run/xend/disks", "/var/log/xen"] {
        for name in names(folder)
            .into_iter()
            .filter(|name| folder.ends_with("disks") || name.starts_with("image-server"))
        {
            println!("disk {folder}/{name}");
        }
    }
    let (mut fds, mut rss) = (0, 0);
    for process in names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok()) {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        if read("comm").starts_with("qemu-storage") {
            println!("server {process}");
        }
        if read("comm").trim() == "xend" {
            fds += names(&format!("/proc/{process}/fd")).len();
            let status = read("status");
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            rss += line.and_then(|kib| kib.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    println!("fds {fds}\nrss {rss}");
    Ok(ExitCode::SUCCESS)
}

fn tool(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{program} {}: {complaint}", arguments.join(" "))))
}

/// What a folder has in it, in order; nothing when it is not there.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
