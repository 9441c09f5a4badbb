//! `network-bridge`: an interface of the host becomes a port of a bridge, with guests as its other ports.
//!
//! What another run left unfinished is taken back first, whoever it was for. Then the host is looked at, what is to
//! be done is decided, written to the record, and done. A step that fails is followed by the way back.

use super::guardian::{self, Outcome};
use super::record::{Pair, Phase, Record};
use super::request::{Antispoof, Layout, NO_BRIDGE, Request, USUAL};
use super::{Command, NetworkError, Site, shape, status};
use crate::antispoof;
use crate::lock::{Lock, NETWORK_BRIDGE};
use crate::netlink::{Kind, Layer, Link, Switch};
use crate::nft::Table;
use crate::sysctl;

/// What the host's interfaces mean for a start.
#[derive(Debug)]
enum Verdict {
    /// Nothing: the sentence says why.
    AlreadyDone(String),
    /// The bridge is to be made.
    Make(Box<Record>),
}

pub(super) async fn run(command: Command, site: &Site<'_>) -> Result<String, NetworkError> {
    let usual = site.default_interface().await?;
    let request = Request::of(site.call, usual.as_deref().unwrap_or(USUAL))?;
    if request.bridge == NO_BRIDGE {
        return Ok(String::new());
    }
    if command == Command::Status {
        return status::of(site, &[&request.netdev, &request.bridge, &request.pdev]).await;
    }
    if request.antispoof == Antispoof::On {
        site.nft().require("antispoof=yes")?;
    }
    match guardian::watch(site.call) {
        Outcome::WorkHere => {}
        Outcome::Ended { well: true } => return Ok(String::new()),
        Outcome::Ended { well: false } => return Err(NetworkError::Told),
        Outcome::Killed => {
            let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
            // Without anything to take back it was killed before the first change, or behind the last.
            heal(site).await?;
            return Err(guardian::killed());
        }
    }
    let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
    // What was unfinished may have been the way to everywhere, so the call is read again.
    let request = if heal(site).await? {
        let usual = site.default_interface().await?;
        Request::of(site.call, usual.as_deref().unwrap_or(USUAL))?
    } else {
        request
    };
    match command {
        Command::Start => start(site, &request).await,
        Command::Stop | Command::Status => stop(site, &request).await,
    }
}

/// Takes back what earlier runs left unfinished. Whether there was any.
async fn heal(site: &Site<'_>) -> Result<bool, NetworkError> {
    let mut healed = false;
    for record in Record::all(site.host)? {
        if record.phase == Phase::Bridged {
            continue;
        }
        shape::plain(site, &record).await.map_err(|error| NetworkError::Stuck {
            step: format!("cannot finish what an earlier run began with {}", record.netdev),
            undo: error.chain(),
        })?;
        antispoof::release(site.host, &record.bridge)?;
        record.forget(site.host)?;
        site.log.info(&format!("took back what an earlier run began with {}", record.netdev));
        healed = true;
    }
    Ok(healed)
}

async fn start(site: &Site<'_>, request: &Request) -> Result<String, NetworkError> {
    let mut record = match decide(site, request).await? {
        Verdict::AlreadyDone(why) => {
            site.log.info(&why);
            guard(site, request, &request.bridge)?;
            return Ok(String::new());
        }
        Verdict::Make(record) => *record,
    };
    if is_root_on_network(site) {
        site.log.info("network-bridge: bridging not supported on network root; not starting");
        return Ok(String::new());
    }
    site.step("keep the record of", &record.netdev)?;
    record.keep(site.host)?;
    let done = make(site, request, &mut record).await;
    let Err(error) = done else {
        site.log.info(&format!("{} is a port of the bridge {} now", record.netdev, record.bridge));
        return Ok(String::new());
    };
    let step = error.chain();
    let undone = async {
        antispoof::release(site.host, &record.bridge)?;
        shape::plain(site, &record).await?;
        Ok(record.forget(site.host)?)
    };
    match undone.await {
        Ok(()) => Err(NetworkError::Undone { step }),
        Err::<(), NetworkError>(error) => Err(NetworkError::Stuck { step, undo: error.chain() }),
    }
}

async fn make(site: &Site<'_>, request: &Request, record: &mut Record) -> Result<(), NetworkError> {
    // First: as soon as the bridge is there, guests may come.
    guard(site, request, &record.bridge)?;
    shape::bridged(site, record).await?;
    record.phase = Phase::Bridged;
    site.step("keep the record of", &record.netdev)?;
    Ok(record.keep(site.host)?)
}

async fn stop(site: &Site<'_>, request: &Request) -> Result<String, NetworkError> {
    let Some(mut record) = find(site, request).await? else {
        site.log.info(&format!("no bridge of {}: nothing to stop", request.netdev));
        release(site, &request.bridge)?;
        return Ok(String::new());
    };
    let holder_name = if record.pair.is_some() { &record.netdev } else { &record.bridge };
    let holder = site.links.find(holder_name).await?;
    if let Some(holder) = &holder {
        let before = std::mem::take(&mut record.addresses);
        remember(site, &mut record, holder).await?;
        let is_new = |one: &crate::netlink::Address| before.iter().all(|other| other.ip() != one.ip());
        // Addresses that it got as a bridge are of no use on an interface that is off.
        if record.addresses.iter().any(|one| !one.is_link_local() && is_new(one)) {
            record.switch = Switch::On;
        }
    }
    record.phase = Phase::Stopping;
    site.step("keep the record of", &record.netdev)?;
    record.keep(site.host)?;
    if let Err(error) = shape::plain(site, &record).await {
        let step = error.chain();
        let undone = async {
            shape::bridged(site, &record).await?;
            record.phase = Phase::Bridged;
            Ok(record.keep(site.host)?)
        };
        return match undone.await {
            Ok(()) => Err(NetworkError::Undone { step }),
            Err::<(), NetworkError>(error) => Err(NetworkError::Stuck { step, undo: error.chain() }),
        };
    }
    release(site, &record.bridge)?;
    site.step("forget the record of", &record.netdev)?;
    record.forget(site.host)?;
    site.log.info(&format!("{} is without a bridge again", record.netdev));
    Ok(String::new())
}

/// What a start means on this host; refuses before anything is changed.
async fn decide(site: &Site<'_>, request: &Request) -> Result<Verdict, NetworkError> {
    let Request { netdev, pdev, bridge, .. } = request;
    let existing = site.links.find(bridge).await?;
    if let Some(link) = existing.as_ref().filter(|_| bridge != netdev || existing_is_bridge(&existing)) {
        if link.kind.is_bridge() {
            return Ok(Verdict::AlreadyDone(format!("the bridge {bridge} is there already: not changed")));
        }
        return Err(NetworkError::NameTaken { name: bridge.clone(), purpose: "bridge" });
    }
    if let Some(port) = site.links.find(pdev).await? {
        if port.controller.is_some() {
            return Ok(Verdict::AlreadyDone(format!("{netdev} is the port {pdev} already: not changed")));
        }
        return Err(NetworkError::NameTaken { name: pdev.clone(), purpose: "port of a bridge" });
    }
    let link = site.links.find(netdev).await?;
    let link = link.ok_or_else(|| NetworkError::NoInterface { name: netdev.clone() })?;
    if let Some(index) = link.controller {
        let all = site.links.all().await?;
        let owner = all.into_iter().find(|other| other.index == index);
        let name = owner.as_ref().map_or_else(String::new, |owner| owner.name.clone());
        if !request.is_named && owner.is_some_and(|owner| owner.kind.is_bridge()) {
            return Ok(Verdict::AlreadyDone(format!("{netdev} is a port of {name} already: not changed")));
        }
        return Err(NetworkError::Taken { name: netdev.clone(), bridge: bridge.clone(), owner: name });
    }
    if let Some(reason) = unbridgeable(site, &link) {
        return Err(NetworkError::Unbridgeable { name: netdev.clone(), reason });
    }
    if site.links.find(shape::ASIDE).await?.is_some() && bridge == netdev {
        return Err(NetworkError::NameTaken {
            name: shape::ASIDE.to_owned(),
            purpose: "bridge that is being made",
        });
    }
    Ok(Verdict::Make(Box::new(record(site, request, &link).await?)))
}

fn existing_is_bridge(link: &Option<Link>) -> bool {
    link.as_ref().is_some_and(|link| link.kind.is_bridge())
}

fn unbridgeable(site: &Site<'_>, link: &Link) -> Option<&'static str> {
    let device = site.host.path("/sys/class/net").join(&link.name);
    match link.kind {
        Kind::Bridge | Kind::VlanBridge => Some("it is a bridge itself; guests can name it as theirs"),
        Kind::Other if link.layer == Layer::Other => Some("its frames are not Ethernet's"),
        Kind::Other if device.join("phy80211").exists() => {
            Some("a wireless network takes frames of one address only; use network-nat")
        }
        Kind::Other => None,
    }
}

async fn record(site: &Site<'_>, request: &Request, link: &Link) -> Result<Record, NetworkError> {
    let pair = match request.layout {
        Layout::Bridge => None,
        Layout::Pair => {
            let (dom0, port) = request.pair.clone();
            let there = (site.links.find(&dom0).await?, site.links.find(&port).await?);
            let before = match there {
                (Some(end), Some(port)) => Some((end.address, port.address)),
                (None, None) => None,
                (Some(_), None) => return Err(NetworkError::NameTaken { name: dom0, purpose: "pair" }),
                (None, Some(_)) => return Err(NetworkError::NameTaken { name: port, purpose: "pair" }),
            };
            Some(Pair { dom0, port, before })
        }
    };
    let mut record = Record {
        phase: Phase::Starting,
        netdev: request.netdev.clone(),
        pdev: request.pdev.clone(),
        bridge: request.bridge.clone(),
        index: link.index,
        address: link.address.clone(),
        switch: link.switch,
        without_ipv6: sysctl::read(site.host, &sysctl::disable_ipv6(&link.name))?,
        pair,
        holder: (link.index, link.name.clone()),
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    remember(site, &mut record, link).await?;
    Ok(record)
}

/// Puts the addresses and routes of `holder`, and of what lies on it or on the hardware, into the record.
async fn remember(site: &Site<'_>, record: &mut Record, holder: &Link) -> Result<(), NetworkError> {
    let all = site.links.all().await?;
    let mut affected = vec![holder.index, record.index];
    // Interfaces upon interfaces, such as VLANs; each round finds one storey more.
    for _ in 0..all.len() {
        let above = |link: &&Link| link.below.is_some_and(|below| affected.contains(&below));
        let more: Vec<u32> = all.iter().filter(above).map(|link| link.index).collect();
        let more: Vec<u32> = more.into_iter().filter(|index| !affected.contains(index)).collect();
        if more.is_empty() {
            break;
        }
        affected.extend(more);
    }
    let addresses = site.links.addresses().await?;
    record.holder = (holder.index, holder.name.clone());
    record.addresses = addresses
        .into_iter()
        .filter(|address| affected.contains(&address.interface()) && !address.is_temporary())
        .collect();
    let is_ours = |source| record.addresses.iter().any(|address| address.ip() == Some(source));
    let routes = site.links.routes().await?.into_iter();
    record.routes = routes
        .filter(|route| {
            affected.iter().any(|index| route.leaves_by(*index)) || route.source().is_some_and(is_ours)
        })
        .collect();
    Ok(())
}

/// The record of the bridge that a stop is about. Without one, a bridge that another version's scripts made.
async fn find(site: &Site<'_>, request: &Request) -> Result<Option<Record>, NetworkError> {
    let records = Record::all(site.host)?;
    let is_meant = |record: &Record| match request.is_named {
        true => record.bridge == request.bridge,
        false => record.netdev == request.netdev || record.bridge == request.netdev,
    };
    if let Some(record) = records.into_iter().find(is_meant) {
        return Ok(Some(record));
    }
    let bridge = site.links.find(&request.bridge).await?.filter(|link| link.kind.is_bridge());
    let port = site.links.find(&request.pdev).await?;
    let (Some(bridge), Some(port)) = (bridge, port) else { return Ok(None) };
    if port.controller != Some(bridge.index) {
        return Ok(None);
    }
    let mut record = record(site, request, &port).await?;
    record.switch = Switch::On;
    record.address = bridge.address;
    record.without_ipv6 = record.without_ipv6.map(|_| "0".to_owned());
    record.pair = None;
    Ok(Some(record))
}

fn guard(site: &Site<'_>, request: &Request, bridge: &str) -> Result<(), NetworkError> {
    if request.antispoof == Antispoof::On {
        site.step("guard", bridge)?;
        antispoof::guard(site.host, bridge)?;
    }
    Ok(())
}

/// No guest is a port of it any more, so the rules of guests go too.
fn release(site: &Site<'_>, bridge: &str) -> Result<(), NetworkError> {
    site.step("remove the rules of", bridge)?;
    antispoof::release(site.host, bridge)?;
    Ok(antispoof::tidy(site.host, &site.nft(), Table::Bridged)?)
}

/// Renaming the interface that the root comes over would end the host.
fn is_root_on_network(site: &Site<'_>) -> bool {
    let mounts = std::fs::read_to_string(site.host.path("/proc/mounts")).unwrap_or_default();
    mounts.lines().any(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words.as_slice(), [_, "/", kind, options, ..]
            if kind.starts_with("nfs") || options.split(',').any(|option| option == "_netdev"))
    })
}
