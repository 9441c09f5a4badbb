//! Memory and the balloon (`xend-daemon` §4.7).

/// The balloon gave up.
pub const NOT_ENOUGH_MEMORY: &str = "Not enough memory is available, and dom0 cannot be shrunk any further";
/// `mem-set` of the privileged domain below its floor.
pub const DYNAMIC_MAX_TOO_SMALL: &str = "memory_dynamic_max too small";
/// Target beyond the maximum.
pub const DYNAMIC_MAX_ABOVE_STATIC_MAX: &str =
    "memory_dynamic_max must be less than or equal to memory_static_max";
/// Minimum beyond the maximum.
pub const STATIC_MIN_ABOVE_STATIC_MAX: &str =
    "memory_static_min must be less than or equal to memory_static_max";
/// Minimum beyond the target.
pub const STATIC_MIN_ABOVE_DYNAMIC_MIN: &str =
    "memory_static_min must be less than or equal to memory_dynamic_min";
/// No memory.
pub const DYNAMIC_MAX_ZERO: &str = "memory_dynamic_max must be greater than zero";
/// No maximum.
pub const STATIC_MAX_ZERO: &str = "memory_static_max must be greater than zero";

/// Shrinking the privileged domain to its floor would not be enough.
pub fn dom0_floor(need_kib: u64, dom0_min_kib: u64, left_kib: u64) -> String {
    format!(
        "I need {need_kib} KiB, but dom0_min_mem is {dom0_min_kib} and shrinking to {dom0_min_kib} KiB would leave \
         only {left_kib} KiB free."
    )
}

/// Too little is free and the privileged domain may not be shrunk.
pub fn ballooning_off(need_kib: u64, have_kib: u64) -> String {
    format!(
        "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  I need \
         {need_kib} KiB but only have {have_kib}."
    )
}

/// Too little is in the memory pool.
pub fn pool_exhausted(need_kib: u64, have_kib: u64) -> String {
    format!(
        "Not enough free memory so I cannot release any more.  I need {need_kib} KiB but only have {have_kib} in the \
         pool."
    )
}

/// The privileged domain's own size can't be read.
pub const DOM0_ALLOCATION_UNKNOWN: &str = "Failed to query current memory allocation of dom0.";
