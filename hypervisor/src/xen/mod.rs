//! Xen itself. Being written.
