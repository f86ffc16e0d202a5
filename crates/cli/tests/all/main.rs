//! The program as people and scripts see it: what it prints, where, and the
//! code it ends with.

mod bad_input;
mod bad_modules;
mod demo;
mod document;
mod eval;
mod files;
mod help;
mod interrupts;
mod stores;
mod terminal;
mod world;
