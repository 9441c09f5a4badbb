//! CPU pools and schedulers (`xm-commands` §2.7).

/// A pool that doesn't exist.
pub fn unknown_pool(name: &str) -> String {
    format!("unknown pool {name}")
}

/// A pool that isn't active.
pub fn pool_not_activated(name: &str) -> String {
    format!("pool {name} not activated")
}

/// The privileged domain stays where it is.
pub const CANNOT_MOVE_DOMAIN_0: &str = "could not move Domain-0";
/// The hypervisor refused to move a domain.
pub const CANNOT_MOVE_DOMAIN: &str = "could not move domain";
/// A new domain that can't be put into its pool.
pub const MOVING_TO_POOL_FAILED: &str = "Moving domain to target pool failed";
/// A weight that the second credit scheduler refuses.
pub const CREDIT2_WEIGHT_RANGE: &str = "weight is out of range";

/// `cpupool-migrate` of a domain that doesn't exist.
pub fn unknown_domain(designator: &str) -> String {
    format!("unknown domain {designator}")
}
