//! `calls do WHAT`: single things, for whoever looks from outside.

use std::io::{Read, Write};

use crate::check::Done;
use crate::raw;

const USAGE: &str = "calls do copy | arguments | environment | random | clock | exit N | trap | \
                     fill FILE BYTES | spin";

pub fn run(what: &[&str]) -> Done {
    let done = match what {
        ["copy"] => copy(),
        ["arguments", ..] => lines(&raw::arguments()?),
        ["environment"] => lines(&raw::environment()?),
        ["random"] => random(),
        ["clock"] => clock(),
        ["exit", code] => std::process::exit(code.parse().map_err(|_| USAGE)?),
        ["trap"] => core::arch::wasm32::unreachable(),
        ["fill", path, bytes] => fill(path, bytes.parse().map_err(|_| USAGE)?),
        ["spin"] => loop {
            core::hint::spin_loop();
        },
        _ => return Err(USAGE.into()),
    };
    done.map_err(|error| error.to_string())
}

/// From the standard input to the standard output, its length to the third
/// stream.
fn copy() -> std::io::Result<()> {
    let mut content = Vec::new();
    std::io::stdin().read_to_end(&mut content)?;
    std::io::stdout().write_all(&content)?;
    eprintln!("{} bytes", content.len());
    Ok(())
}

fn lines(lines: &[Vec<u8>]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// 32 random bytes, in hex.
fn random() -> std::io::Result<()> {
    let mut bytes = [0; 32];
    raw::random(&mut bytes).map_err(|errno| std::io::Error::from_raw_os_error(errno.0.into()))?;
    bytes.iter().for_each(|byte| print!("{byte:02x}"));
    println!();
    Ok(())
}

/// Both clocks twice, in nanoseconds.
fn clock() -> std::io::Result<()> {
    for clock in [raw::REALTIME, raw::MONOTONIC, raw::REALTIME, raw::MONOTONIC] {
        let time = raw::time(clock);
        println!("{}", time.map_err(|e| std::io::Error::from_raw_os_error(e.0.into()))?);
    }
    Ok(())
}

/// Writes that many bytes to a file, 64 KiB at a time.
fn fill(path: &str, bytes: u64) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let block = [b'.'; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(block.len() as u64);
        file.write_all(&block[..count as usize])?;
        left -= count;
    }
    Ok(())
}
