//! `wasi:cli`: what the program is given, and its end.

use wasmtime::Result;
use wasmtime::component::Resource;
use weft_wasi::Stream;

use super::Hosted;
use super::bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use super::resources::{Input, Output};
use crate::wasi::link::Exit;

/// These interfaces have Unicode where preview 1 has bytes.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl environment::Host for Hosted {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let pair = |entry: &Vec<u8>| {
            let at = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
            (text(&entry[..at]), text(entry.get(at + 1..).unwrap_or_default()))
        };
        Ok(self.running.process.environment().iter().map(pair).collect())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(self.running.process.arguments().iter().map(|bytes| text(bytes)).collect())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for Hosted {
    fn exit(&mut self, status: std::result::Result<(), ()>) -> Result<()> {
        Err(Exit(u32::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        Err(Exit(code.into()).into())
    }
}

impl stdin::Host for Hosted {
    fn get_stdin(&mut self) -> Result<Resource<Input>> {
        self.push(Input::Stdin)
    }
}

impl stdout::Host for Hosted {
    fn get_stdout(&mut self) -> Result<Resource<Output>> {
        self.push(Output::Stream(Stream::Stdout))
    }
}

impl stderr::Host for Hosted {
    fn get_stderr(&mut self) -> Result<Resource<Output>> {
        self.push(Output::Stream(Stream::Stderr))
    }
}

// There are no terminals.

impl terminal_input::Host for Hosted {}

impl terminal_input::HostTerminalInput for Hosted {
    fn drop(&mut self, it: Resource<terminal_input::TerminalInput>) -> Result<()> {
        self.delete(it).map(|_| ())
    }
}

impl terminal_output::Host for Hosted {}

impl terminal_output::HostTerminalOutput for Hosted {
    fn drop(&mut self, it: Resource<terminal_output::TerminalOutput>) -> Result<()> {
        self.delete(it).map(|_| ())
    }
}

impl terminal_stdin::Host for Hosted {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Hosted {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Hosted {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
