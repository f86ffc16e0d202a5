//! The program as people and scripts see it: what it prints, where, and the
//! code it ends with.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod bad_input;
mod bad_modules;
mod bptree;
mod build;
mod cache;
mod demo;
mod diff;
mod document;
mod eval;
mod export;
mod files;
mod gc;
mod graph;
mod help;
mod image;
mod interrupts;
mod looked;
mod processes;
mod repair;
mod replay;
mod run;
mod stores;
mod terminal;
mod verify;
mod why;
mod world;
