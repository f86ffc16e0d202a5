//! `weft bench` without the rest of `weft`:
//! `cargo run --release -p weft-bench --example bench -- [--json] [--check]
//! [--seed N] [--size tiny|full] [--only NAME]`

use std::error::Error;
use std::process::ExitCode;

use weft_bench::Options;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut options = Options::of_this_program()?;
    if let Some(program) = &mut options.program {
        program.truncate(1);
    }
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--json" => options.json = true,
            "--check" => options.check = true,
            "--seed" => options.seed = value()?.parse()?,
            "--size" => options.size = value()?.parse()?,
            "--only" => options.only.push(value()?),
            "--child" => options.child = Some(value()?),
            _ => return Err(format!("unknown argument {arg}").into()),
        }
    }
    let kept = weft_bench::run(&options, &mut std::io::stdout())?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
