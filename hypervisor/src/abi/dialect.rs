//! Which release's layouts a hypervisor speaks (`hypervisor-interface` §0).
//!
//! `domctl` and `sysctl` carry a number that must match exactly; the connection finds both by trying. A number is
//! believed only together with the release it belongs to: builds from a development branch carry numbers that are not
//! final, and a wrong layout does not fail cleanly (measured: a domain is made with other options than asked).

use std::ops::RangeInclusive;

/// Numbers worth trying for `domctl`.
pub const DOMCTL_NUMBERS: RangeInclusive<u32> = 0x12..=0x18;
/// Numbers worth trying for `sysctl`.
pub const SYSCTL_NUMBERS: RangeInclusive<u32> = 0x13..=0x16;

/// A set of layouts, called after the first release that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// 4.14: domctl 0x12.
    Xen4_14,
    /// 4.15: domctl 0x13.
    Xen4_15,
    /// 4.16: domctl 0x14.
    Xen4_16,
    /// 4.17: domctl 0x15.
    Xen4_17,
    /// 4.18: domctl 0x16.
    Xen4_18,
    /// 4.19 and 4.20: domctl 0x17.
    Xen4_19,
    /// 4.21: domctl 0x17 again, though `createdomain` has two fields where 4.20 had one.
    Xen4_21,
    /// 4.22: domctl 0x18.
    Xen4_22,
}

/// What trying has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Release: major and minor number.
    pub release: (u32, u32),
    /// Number that `domctl` accepted.
    pub domctl: Option<u32>,
    /// Number that `sysctl` accepted.
    pub sysctl: Option<u32>,
}

/// Why no dialect fits. The text is also what the operator sees as the reason for read-only service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialectError {
    /// None of the numbers was accepted.
    #[error("{call} of Xen {}.{} has an interface number that this program does not know", release.0, release.1)]
    UnknownNumber {
        /// `domctl` or `sysctl`.
        call: &'static str,
        /// Release found.
        release: (u32, u32),
    },
    /// The numbers are those of another release: a development build.
    #[error(
        "Xen {}.{} answers to domctl {domctl:#x} and sysctl {sysctl:#x}, which no such release has",
        release.0, release.1
    )]
    Mismatch {
        /// Release found.
        release: (u32, u32),
        /// Number accepted.
        domctl: u32,
        /// Number accepted.
        sysctl: u32,
    },
}

impl Dialect {
    /// All, oldest first.
    pub const ALL: [Self; 8] = [
        Self::Xen4_14,
        Self::Xen4_15,
        Self::Xen4_16,
        Self::Xen4_17,
        Self::Xen4_18,
        Self::Xen4_19,
        Self::Xen4_21,
        Self::Xen4_22,
    ];

    /// The layouts of a release.
    pub fn of_release(major: u32, minor: u32) -> Option<Self> {
        match (major, minor) {
            (4, 14) => Some(Self::Xen4_14),
            (4, 15) => Some(Self::Xen4_15),
            (4, 16) => Some(Self::Xen4_16),
            (4, 17) => Some(Self::Xen4_17),
            (4, 18) => Some(Self::Xen4_18),
            (4, 19 | 20) => Some(Self::Xen4_19),
            (4, 21) => Some(Self::Xen4_21),
            (4, 22) => Some(Self::Xen4_22),
            _ => None,
        }
    }

    /// The one dialect that release and numbers agree on.
    pub fn choose(probed: Probed) -> Result<Self, DialectError> {
        let release = probed.release;
        let domctl = probed.domctl.ok_or(DialectError::UnknownNumber { call: "domctl", release })?;
        let sysctl = probed.sysctl.ok_or(DialectError::UnknownNumber { call: "sysctl", release })?;
        Self::of_release(release.0, release.1)
            .filter(|dialect| dialect.domctl() == domctl && dialect.sysctl() == sysctl)
            .ok_or(DialectError::Mismatch { release, domctl, sysctl })
    }

    /// Interface number of `domctl`.
    pub fn domctl(self) -> u32 {
        match self {
            Self::Xen4_14 => 0x12,
            Self::Xen4_15 => 0x13,
            Self::Xen4_16 => 0x14,
            Self::Xen4_17 => 0x15,
            Self::Xen4_18 => 0x16,
            Self::Xen4_19 | Self::Xen4_21 => 0x17,
            Self::Xen4_22 => 0x18,
        }
    }

    /// Interface number of `sysctl`.
    pub fn sysctl(self) -> u32 {
        match self {
            Self::Xen4_14 | Self::Xen4_15 => 0x13,
            Self::Xen4_16 => 0x14,
            Self::Xen4_17 | Self::Xen4_18 | Self::Xen4_19 => 0x15,
            Self::Xen4_21 | Self::Xen4_22 => 0x16,
        }
    }

    /// `createdomain` puts the domain into its pool; before, it starts in pool 0 and is moved.
    pub fn creates_in_cpupool(self) -> bool {
        self >= Self::Xen4_17
    }

    /// `createdomain` must name the highest grant-table version.
    pub fn names_grant_version(self) -> bool {
        self >= Self::Xen4_16
    }

    /// `getdomaininfo` for a number without a domain answers with the next domain, not with an error.
    pub fn info_skips_to_next(self) -> bool {
        self <= Self::Xen4_17
    }

    /// A number without a domain may be refused as not permitted instead of not found.
    pub fn hides_absent_domains(self) -> bool {
        self >= Self::Xen4_22
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(minor: u32, domctl: u32, sysctl: u32) -> Probed {
        Probed { release: (4, minor), domctl: Some(domctl), sysctl: Some(sysctl) }
    }

    #[test]
    fn domctl_0x17_is_split_by_the_release() {
        assert_eq!(Dialect::choose(probed(19, 0x17, 0x15)), Ok(Dialect::Xen4_19));
        assert_eq!(Dialect::choose(probed(20, 0x17, 0x15)), Ok(Dialect::Xen4_19));
        assert_eq!(Dialect::choose(probed(21, 0x17, 0x16)), Ok(Dialect::Xen4_21));
    }

    #[test]
    fn a_number_that_belongs_to_another_release_is_not_believed() {
        let refused = Dialect::choose(probed(22, 0x17, 0x16));
        assert_eq!(refused, Err(DialectError::Mismatch { release: (4, 22), domctl: 0x17, sysctl: 0x16 }));
        assert!(Dialect::choose(probed(23, 0x18, 0x16)).is_err());
    }

    #[test]
    fn the_reason_names_the_call_and_the_release() {
        let refused =
            Dialect::choose(Probed { release: (4, 23), domctl: None, sysctl: Some(0x16) }).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "domctl of Xen 4.23 has an interface number that this program does not know"
        );
    }

    #[test]
    fn every_dialect_has_a_number_worth_trying() {
        for dialect in Dialect::ALL {
            assert!(DOMCTL_NUMBERS.contains(&dialect.domctl()), "{dialect:?}");
            assert!(SYSCTL_NUMBERS.contains(&dialect.sysctl()), "{dialect:?}");
        }
    }
}
