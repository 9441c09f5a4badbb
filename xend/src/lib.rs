//! The daemon `xend`: which domain ([`manager`]), what is done for it and in which order ([`operations`]), how
//! ([`devices`], [`builder`]), asked for by people and programs ([`api`]) or by news ([`events`]).

pub mod api;
pub mod builder;
pub mod devices;
pub mod domain;
pub mod events;
pub mod manager;
pub mod operations;
pub mod program;
pub mod settings;
pub mod simulate;
pub mod state;
