//! The interfaces, from `wit/`, as traits.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "weft:programs/program",
    trappable_error_type: {
        "wasi:io/streams.stream-error" => crate::wasi::component::Fault,
        "wasi:filesystem/types.error-code" => crate::wasi::component::Fault,
    },
    imports: { default: trappable },
    with: {
        "wasi:filesystem/types.descriptor": crate::wasi::component::resources::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::wasi::component::resources::Listing,
        "wasi:io/error.error": crate::wasi::component::resources::Failed,
        "wasi:io/poll.pollable": crate::wasi::component::resources::Pollable,
        "wasi:io/streams.input-stream": crate::wasi::component::resources::Input,
        "wasi:io/streams.output-stream": crate::wasi::component::resources::Output,
    },
});
