use std::ffi::OsString;

use weft_object::{Handle, Kind};
use weft_store::StoreError;

use super::{Command, handle_argument, path_argument};
use crate::argument;
use crate::exit::{Code, Exit};
use crate::explained::one;
use crate::out::out;
use crate::recover::Source;

pub(crate) const COMMAND: Command = Command {
    name: "cat",
    about: "Write the bytes of a Blob",
    details: "A computation is evaluated first, as by `weft eval`.",
    examples: &["weft cat 1f3a55", "weft cat @readme", "weft cat @src path/in/it"],
    arguments: |command| command.arg(handle_argument("HANDLE")).arg(path_argument()),
    run: |matches, terminal| {
        let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
        let (place, handle) = argument::inside(&argument, matches, terminal)?;
        is_blob(handle, "`weft ls` shows what is in it")?;
        let content = Source::new(&place, terminal).get(&handle)?;
        let missing = || StoreError::Missing(handle.content());
        let bytes = content.as_ref().and_then(|content| content.blob()).ok_or_else(missing)?;
        out(|out| out.write_all(bytes.bytes()))
    },
};

/// Only Blobs have bytes.
pub(crate) fn is_blob(handle: Handle, remedy: &str) -> Result<(), Exit> {
    match handle.kind() {
        Kind::Blob | Kind::BlobRef => Ok(()),
        kind => {
            let text = format!("#{handle} is {} and has no bytes to write; {remedy}", one(kind));
            Err(Exit::new(Code::Other, text))
        }
    }
}
