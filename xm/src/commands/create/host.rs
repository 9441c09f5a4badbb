//! The host as domain files see it: names, environment, what exists, clock, chance, addresses.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domfile::World;
use crate::domfile::source::text_of;
use crate::domfile::world::{FileType, Stream};
use crate::screen::Screen;

/// This host, and where a file's `print` goes.
pub(super) struct Host<'a> {
    screen: Option<&'a mut Screen>,
    /// The beginning of a line for standard error.
    pending: String,
}

impl<'a> Host<'a> {
    pub(super) fn new(screen: &'a mut Screen) -> Self {
        Self { screen: Some(screen), pending: String::new() }
    }

    /// One that shows nothing of what a file prints.
    pub(super) fn silent() -> Self {
        Self { screen: None, pending: String::new() }
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        if let Some(screen) = self.screen.as_mut().filter(|_| !self.pending.is_empty()) {
            screen.err(&self.pending);
        }
    }
}

impl World for Host<'_> {
    fn uname(&self) -> [String; 5] {
        let Ok(uname) = nix::sys::utsname::uname() else { return Default::default() };
        [uname.sysname(), uname.nodename(), uname.release(), uname.version(), uname.machine()]
            .map(|part| part.to_string_lossy().into_owned())
    }

    fn environ(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect()
    }

    fn current_dir(&self) -> Vec<u8> {
        std::env::current_dir().map_or_else(|_| b"/".to_vec(), |path| path.into_os_string().into_vec())
    }

    fn file_type(&self, path: &[u8]) -> Option<FileType> {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let Ok(found) = fs::metadata(path) else {
            return fs::symlink_metadata(path).ok().map(|_| FileType::Link);
        };
        Some(match (found.is_file(), found.is_dir()) {
            (true, _) => FileType::File,
            (_, true) => FileType::Folder,
            _ => FileType::Other,
        })
    }

    fn now(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    fn utc_offset(&self, seconds: i64) -> i64 {
        let Ok(time) = jiff::Timestamp::from_second(seconds) else { return 0 };
        i64::from(jiff::tz::TimeZone::system().to_offset(time).seconds())
    }

    fn random(&mut self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().0.rotate_left(24) ^ uuid::Uuid::new_v4().as_u64_pair().0
    }

    fn print(&mut self, stream: Stream, text: &[u8]) {
        let Some(screen) = self.screen.as_mut() else { return };
        let text = text_of(text);
        if stream == Stream::Out {
            return screen.foreign(&text);
        }
        self.pending += &text;
        while let Some((line, rest)) = self.pending.split_once('\n') {
            let rest = rest.to_owned();
            screen.err(&crate::screen::harmless(line));
            self.pending = rest;
        }
    }

    fn default_route(&self) -> Option<(String, String)> {
        let table = fs::read_to_string("/proc/net/route").ok()?;
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_whitespace();
            let (device, to, gateway) = (fields.next()?, fields.next()?, fields.next()?);
            let gateway = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
            // The kernel writes the address as the number that its bytes make on this machine.
            let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
            (to == "00000000").then(|| (gateway.to_string(), device.to_owned()))
        })
    }

    fn address(&self, device: &str) -> Option<(String, String)> {
        nix::ifaddrs::getifaddrs().ok()?.filter(|one| one.interface_name == device).find_map(|one| {
            let address = one.address.as_ref()?.as_sockaddr_in()?.ip();
            let mask = one.netmask.as_ref()?.as_sockaddr_in()?.ip();
            Some((address.to_string(), mask.to_string()))
        })
    }
}
