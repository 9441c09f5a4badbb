//! The methods of `xend.node`: the host, Xen's messages, the daemon's log.

use std::fmt::Write as _;

use hypervisor::{ConsoleRead, CpuPlace, HypervisorError, NumaNode, PhysInfo, Scheduler, XenVersion};
use xend_api::{Fault, Sxp};

use super::{
    Api,
    arguments::{Arguments, Truth},
    fault,
};
use crate::{manager::RequestError, operations::blocking};

/// Bytes of the log that a client gets at most: its end.
const LOG_LIMIT: u64 = 4 << 20;

type Answer = Result<Sxp, Fault>;

/// `xend.node.info(show_numa = 1)`: pairs in the original's order.
pub(super) async fn info(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.node.info", params, 0, 1)?;
    let numa = arguments.truth(0, Truth::Yes);
    let facts = api.manager.context().with_xen(|xen| {
        Ok(Facts {
            version: xen.version().clone(),
            phys: xen.phys_info()?,
            scheduler: xen.scheduler()?,
            places: xen.cpu_places()?,
            nodes: xen.numa_nodes()?,
        })
    });
    let facts = facts.await.map_err(|source| refused("look at the host", source))?;
    let pairs = facts.pairs(numa);
    Ok(Sxp::List(pairs.into_iter().map(|(key, value)| Sxp::pair(key, value)).collect()))
}

/// `xend.node.log()`
pub(super) async fn log(api: &Api, params: &[Sxp]) -> Answer {
    Arguments::new("xend.node.log", params, 0, 0)?;
    let path = api.log.clone();
    let read = blocking(move || {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = std::fs::File::open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_LIMIT)))?;
        let mut text = Vec::new();
        file.take(LOG_LIMIT).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    });
    let failed = |error: std::io::Error| {
        Fault::generic(format!("cannot read {}", api.log.display())).because(error.to_string())
    };
    Ok(Sxp::from(read.await.map_err(failed)?))
}

/// `xend.node.dmesg.info()`
pub(super) async fn dmesg(api: &Api, params: &[Sxp]) -> Answer {
    Arguments::new("xend.node.dmesg.info", params, 0, 0)?;
    let text = api.manager.context().with_xen(|xen| xen.read_console(ConsoleRead::Keep)).await;
    let text = text.map_err(|source| refused("read Xen's messages", source))?;
    Ok(Sxp::from(String::from_utf8_lossy(&text).into_owned()))
}

/// `xend.node.dmesg.clear()`
pub(super) async fn clear_dmesg(api: &Api, params: &[Sxp]) -> Answer {
    Arguments::new("xend.node.dmesg.clear", params, 0, 0)?;
    let cleared = api.manager.context().with_xen(|xen| xen.read_console(ConsoleRead::Clear)).await;
    cleared.map_err(|source| refused("clear Xen's messages", source))?;
    Ok(Sxp::Nil)
}

/// `xend.node.send_debug_keys(keys)`
pub(super) async fn send_debug_keys(api: &Api, params: &[Sxp]) -> Answer {
    let keys = Arguments::new("xend.node.send_debug_keys", params, 1, 1)?.text(0)?;
    let sent = api.manager.context().with_xen(move |xen| xen.send_debug_keys(&keys)).await;
    sent.map_err(|source| refused("send debug keys to Xen", source))?;
    Ok(Sxp::Nil)
}

fn refused(act: &'static str, source: HypervisorError) -> Fault {
    fault::of_request(&RequestError::Xen { act, source }, "")
}

struct Facts {
    version: XenVersion,
    phys: PhysInfo,
    scheduler: Scheduler,
    places: Vec<Option<CpuPlace>>,
    nodes: Vec<NumaNode>,
}

impl Facts {
    fn pairs(&self, numa: Truth) -> Vec<(&'static str, Sxp)> {
        let mut pairs = self.machine();
        if numa == Truth::Yes {
            pairs.push(("cpu_topology", Sxp::from(self.cpu_table())));
            pairs.push(("numa_info", Sxp::from(self.node_table())));
        }
        pairs.extend(self.xen());
        pairs
    }

    fn machine(&self) -> Vec<(&'static str, Sxp)> {
        let name = nix::sys::utsname::uname().ok();
        let uname = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
            Sxp::from(name.as_ref().map(|n| part(n).to_string_lossy().into_owned()).unwrap_or_default())
        };
        let phys = &self.phys;
        let mib = |pages: u64| Sxp::Int((pages / 256) as i64);
        let caps: Vec<String> = phys.hw_cap.iter().map(|word| format!("{word:08x}")).collect();
        let virt = [(0, "hvm"), (2, "hvm_directio")];
        let virt: Vec<&str> = virt
            .iter()
            .filter(|(bit, _)| phys.capabilities & (1 << bit) != 0)
            .map(|(_, word)| *word)
            .collect();
        let number = |n: u32| Sxp::Int(i64::from(n));
        vec![
            ("system", uname(|n| n.sysname())),
            ("host", uname(|n| n.nodename())),
            ("release", uname(|n| n.release())),
            ("version", uname(|n| n.version())),
            ("machine", uname(|n| n.machine())),
            ("nr_cpus", number(phys.nr_cpus)),
            ("nr_nodes", number(phys.nr_nodes)),
            ("cores_per_socket", number(phys.cores_per_socket)),
            ("threads_per_core", number(phys.threads_per_core)),
            ("cpu_mhz", number(phys.cpu_khz / 1000)),
            ("hw_caps", Sxp::from(caps.join(":"))),
            ("virt_caps", Sxp::from(virt.join(" "))),
            ("total_memory", mib(phys.total_pages)),
            ("free_memory", mib(phys.free_pages + phys.scrub_pages)),
            ("free_cpus", Sxp::Int(0)),
        ]
    }

    fn xen(&self) -> Vec<(&'static str, Sxp)> {
        let version = &self.version;
        let scheduler = match self.scheduler {
            Scheduler::Credit => "credit",
            Scheduler::Credit2 => "credit2",
            Scheduler::Arinc653 => "arinc653",
            Scheduler::Rtds => "rtds",
            Scheduler::Null => "null",
            Scheduler::Other(_) => "unknown",
        };
        let text = |text: &str| Sxp::from(text);
        vec![
            ("xen_major", Sxp::Int(i64::from(version.major))),
            ("xen_minor", Sxp::Int(i64::from(version.minor))),
            ("xen_extra", text(&version.extra)),
            ("xen_caps", text(&version.capabilities)),
            ("xen_scheduler", text(scheduler)),
            ("xen_pagesize", Sxp::Int(version.page_size as i64)),
            ("platform_params", Sxp::from(format!("virt_start=0x{:x}", version.virt_start))),
            ("xen_changeset", text(&version.changeset)),
            ("xen_commandline", text(&version.command_line)),
            ("cc_compiler", text(&version.compiler)),
            ("cc_compile_by", text(&version.compile_by)),
            ("cc_compile_domain", text(&version.compile_domain)),
            ("cc_compile_date", text(&version.compile_date)),
            ("xend_config_format", Sxp::Int(4)),
        ]
    }

    fn cpu_table(&self) -> String {
        let mut table = "\ncpu:    core    socket     node\n".to_owned();
        for (cpu, place) in self.places.iter().enumerate() {
            if let Some(place) = place {
                let _ = writeln!(table, "{cpu:3}:{:8} {:8} {:8}", place.core, place.socket, place.node);
            }
        }
        table.trim_end_matches('\n').to_owned()
    }

    fn node_table(&self) -> String {
        let mut table = "\nnode: TotalMemory FreeMemory dma32Memory NodeDist:".to_owned();
        for node in 0..self.nodes.len() {
            let _ = write!(table, "{node:4} ");
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let (size, free) = (node.size >> 20, node.free >> 20);
            let _ = write!(table, "\n{number:4}:  {size:8}MB {free:8}MB  {:8}MB         :", 0);
            for distance in &node.distances {
                let _ = write!(table, "{distance:4} ");
            }
        }
        table
    }
}
