//! Layouts of Xen's structures, one encoder per interface version. Being written.
