//! A domain file on its way to the daemon: lexer, parser, evaluator, variables, conversion. What comes out crosses the wire.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use xend_api::sxp::parse_one;
use xm::domfile::convert::{Surroundings, domain};
use xm::domfile::world::Imagined;
use xm::domfile::{Places, Scope, Settings, Source, run};

fuzz_target!(|data: &[u8]| {
    let source = Source::new("/etc/xen/a.cfg", data);
    let mut scope = Scope::default();
    if let Err(error) = run(&source, &mut scope, &mut Imagined::default()) {
        assert!(error.exit.is_some() || !error.to_string().is_empty());
        return;
    }
    let mut settings = Settings::new();
    if settings.absorb(&scope).is_err() {
        return;
    }
    let around = Surroundings {
        current_dir: PathBuf::from("/root"),
        display: Some(":0".to_owned()),
        xauthority: "/root/.Xauthority".to_owned(),
        console: false,
        exists: |_| true,
        real_path: |path| Some(path.to_owned()),
        pci_functions: |_| vec![0, 3],
        scsi_units: Vec::new,
    };
    match domain(&settings, &around) {
        Ok(converted) => {
            parse_one(&converted.sxp.to_pretty(80)).expect("what xm prints is readable");
        }
        Err(findings) => {
            // Each is shown where the file writes it.
            let places = Places::of(&source);
            for finding in &findings {
                assert!(!finding.error.to_string().is_empty());
                let _ = places.entry(finding.variable, finding.entry.unwrap_or(0), None);
            }
        }
    }
});
