//! What the daemon puts into the text of a fault (`xm-commands` §2.7, `xend-daemon` §4, §5.7), by noun.

mod device;
mod domain;
mod memory;
mod pool;
mod saving;

pub use device::*;
pub use domain::*;
pub use memory::*;
pub use pool::*;
pub use saving::*;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_texts_that_scripts_know_are_those_of_the_reference() {
        for (ours, theirs) in [
            (already_exists("mail", 7), "Domain 'mail' already exists with ID '7'"),
            (name_already_exists("mail", Some(7)), "VM name 'mail' already exists as domain 7"),
            (name_already_exists("mail", None), "VM name 'mail' already exists"),
            (not_started("mail"), "Domain 'mail' is not started"),
            (creating_failed("mail", None), "Creating domain failed: name=mail"),
            (creating_failed("mail", Some(22)), "Creating domain failed: name=mail, error=22"),
            (kernel_missing(Path::new("/boot/x")), "Kernel image does not exist: /boot/x"),
            (
                could_not_connect(51728, "vbd", HOTPLUG_NOT_WORKING),
                "Device 51728 (vbd) could not be connected. Hotplug scripts not working.",
            ),
            (busy(51728, "vbd", "why"), "Device 51728 (vbd) could not be connected.\nwhy"),
            (could_not_disconnect(0, "vif"), "Device 0 (vif) could not be disconnected. "),
            (privileged("destroy", "0"), "Cannot destroy privileged domain 0"),
            (invalid_reason("x"), "Invalid reason: x"),
            (
                dom0_floor(3, 2, 1),
                "I need 3 KiB, but dom0_min_mem is 2 and shrinking to 2 KiB would leave only 1 KiB free.",
            ),
            (
                ballooning_off(3, 2),
                "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  I need \
                 3 KiB but only have 2.",
            ),
            (
                pool_exhausted(3, 2),
                "Not enough free memory so I cannot release any more.  I need 3 KiB but only have 2 in the pool.",
            ),
        ] {
            assert_eq!(ours, theirs);
        }
    }
}
