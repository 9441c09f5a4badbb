//! The simulator. Being written.
