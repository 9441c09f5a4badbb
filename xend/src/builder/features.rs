//! Names and numbers of the features that a kernel's notes speak of.

use super::error::ElfError;

/// By bit number (`hypervisor-interface` §2.2).
const NAMES: [&str; 18] = [
    "writable_page_tables",
    "writable_descriptor_tables",
    "auto_translated_physmap",
    "supervisor_mode_kernel",
    "pae_pgdir_above_4gb",
    "mmu_pt_update_preserve_ad",
    "highmem_assist",
    "gnttab_map_avail_bits",
    "hvm_callback_vector",
    "hvm_safe_pvclock",
    "hvm_pirqs",
    "dom0",
    "grant_map_identity",
    "memory_op_vnode_supported",
    "ARM_SMCCC_supported",
    "linux_rsdp_unrestricted",
    "not_direct_mapped",
    "direct_mapped",
];
const AUTO_TRANSLATED: u32 = 2;
const SUPERVISOR_MODE: u32 = 3;
const DOM0: u32 = 11;

/// What a kernel can do, and what it can't do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) supported: u64,
    pub(super) required: u64,
}

impl Features {
    /// Adds the features of a `a|b|!c` text. A name that is not known is skipped, one that is required is an error.
    pub(super) fn add_text(&mut self, text: &str) -> Result<(), ElfError> {
        for part in text.split('|').filter(|part| !part.is_empty()) {
            let (name, required) = match part.strip_prefix('!') {
                Some(name) => (name, true),
                None => (part, false),
            };
            match number(name) {
                Some(bit) => {
                    self.supported |= 1 << bit;
                    self.required |= u64::from(required) << bit;
                }
                None if required => return Err(ElfError::Feature { name: name.to_owned() }),
                None => {}
            }
        }
        Ok(())
    }

    /// An error when an ordinary PV guest can't have what the kernel requires.
    pub(super) fn check_guest(&self) -> Result<(), ElfError> {
        if self.required & (1 << DOM0) != 0 {
            return Err(ElfError::Dom0Only);
        }
        for bit in [AUTO_TRANSLATED, SUPERVISOR_MODE] {
            if self.required & (1 << bit) != 0 {
                return Err(ElfError::Feature { name: NAMES[bit as usize].to_owned() });
            }
        }
        Ok(())
    }

    /// An error when `asked`, the domain's own `features` text, names one that this kernel or a PV guest has not.
    pub(super) fn check_asked(&self, asked: &str) -> Result<(), ElfError> {
        for part in asked.split('|').filter(|part| !part.is_empty()) {
            let name = part.trim_start_matches('!');
            let usable = number(name).is_some_and(|bit| {
                self.supported & (1 << bit) != 0 && ![AUTO_TRANSLATED, SUPERVISOR_MODE, DOM0].contains(&bit)
            });
            if !usable {
                return Err(ElfError::Asked { name: name.to_owned() });
            }
        }
        Ok(())
    }
}

fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|bit| bit as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_features_are_skipped_and_unknown_required_ones_refused() {
        let mut features = Features::default();
        features.add_text("!writable_page_tables|pae_pgdir_above_4gb|something_new").unwrap();
        assert_eq!(features, Features { supported: 0b1_0001, required: 1 });
        features.check_guest().unwrap();
        assert!(
            matches!(features.add_text("!something_new"), Err(ElfError::Feature { name }) if name == "something_new")
        );
    }

    #[test]
    fn a_kernel_that_must_be_privileged_is_refused_and_one_that_may_be_is_not() {
        let mut features = Features { supported: 0x8801, required: 0 };
        features.check_guest().unwrap();
        features.add_text("!dom0").unwrap();
        assert!(matches!(features.check_guest(), Err(ElfError::Dom0Only)));
    }

    #[test]
    fn a_kernel_that_must_be_translated_is_no_pv_kernel() {
        let mut features = Features::default();
        features.add_text("!auto_translated_physmap").unwrap();
        assert!(matches!(features.check_guest(), Err(ElfError::Feature { .. })));
    }

    #[test]
    fn asking_for_a_feature_that_the_kernel_lacks_is_an_error() {
        let features = Features { supported: 1, required: 0 };
        features.check_asked("").unwrap();
        features.check_asked("writable_page_tables").unwrap();
        assert!(matches!(features.check_asked("pae_pgdir_above_4gb"), Err(ElfError::Asked { .. })));
        assert!(features.check_asked("nonsense").is_err());
    }
}
