//! Everything that `weft-store` promises, from outside.

// clippy.toml allows it in test functions, not in what they share.
#![allow(clippy::unwrap_used)]

mod backends;
mod collect;
mod collect_beside;
mod collect_log;
mod collect_trouble;
mod crash;
mod damage;
mod disk;
mod ends;
mod export;
mod files;
mod full_disk;
mod hooked;
mod hostile;
mod layout;
mod locate;
mod many_large;
mod mapping;
mod memory;
mod mending;
mod migrate;
mod pages;
mod readers;
mod relations;
mod scratch;
mod socket;
mod socket_hostile;
mod torn;
mod troubles;
mod version_2;
mod workload;
