//! Configurations of domains as `xm` sends them.

use xend_api::{Sxp, sxp};

/// A tree from text.
pub fn tree(text: &str) -> Sxp {
    sxp::parse(text).unwrap().remove(0)
}

/// A configuration that a test changes before it sends it.
#[derive(Clone)]
pub struct Config {
    name: String,
    kernel: String,
    ramdisk: String,
    memory: String,
    vcpus: String,
    args: String,
    forms: String,
}

impl Config {
    pub fn new(name: &str, kernel: &str) -> Self {
        Self {
            name: name.to_owned(),
            kernel: kernel.to_owned(),
            ramdisk: String::new(),
            memory: "32".to_owned(),
            vcpus: "1".to_owned(),
            args: String::new(),
            forms: String::new(),
        }
    }

    pub fn kernel(mut self, path: &str) -> Self {
        self.kernel = path.to_owned();
        self
    }

    pub fn ramdisk(mut self, path: &str) -> Self {
        self.ramdisk = format!("(ramdisk '{path}')");
        self
    }

    pub fn memory(mut self, mib: &str) -> Self {
        self.memory = mib.to_owned();
        self
    }

    pub fn vcpus(mut self, count: &str) -> Self {
        self.vcpus = count.to_owned();
        self
    }

    /// The kernel's command line: what the simulated guest does.
    pub fn args(mut self, args: &str) -> Self {
        self.args = args.to_owned();
        self
    }

    /// Any further form.
    pub fn with(mut self, form: &str) -> Self {
        self.forms.push_str(form);
        self
    }

    /// A disk from a file.
    pub fn disk(self, path: &str, dev: &str) -> Self {
        self.with(&format!("(device (vbd (uname 'file:{path}') (dev {dev}) (mode w)))"))
    }

    /// An interface on a bridge.
    pub fn vif(self, bridge: &str) -> Self {
        self.with(&format!("(device (vif (bridge {bridge})))"))
    }

    pub fn tree(&self) -> Sxp {
        let Self { name, kernel, ramdisk, memory, vcpus, args, forms } = self;
        tree(&format!(
            "(vm (name '{name}') (memory {memory}) (vcpus {vcpus})
                 (image (linux (kernel '{kernel}') {ramdisk} (args '{args}'))) {forms})"
        ))
    }
}
