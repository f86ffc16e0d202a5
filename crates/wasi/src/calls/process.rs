use super::{Done, Run};
use crate::{Errno, Stop};

pub(super) fn proc_exit(run: &mut Run<'_>) -> Done {
    Err(Stop::Exit(run.u32(0)).into())
}

/// There is nobody to send a signal to: without threads or other processes it
/// could only be the program itself, which has no handlers.
pub(super) fn proc_raise(_: &mut Run<'_>) -> Done {
    Err(Errno::Nosys.into())
}

#[expect(clippy::unnecessary_wraps, reason = "a row of the table")]
pub(super) fn sched_yield(_: &mut Run<'_>) -> Done {
    Ok(())
}

pub(super) fn random_get(run: &mut Run<'_>) -> Done {
    let (at, len) = (run.u32(0), run.u32(1));
    run.process.random.fill(run.memory.bytes_mut(at, len)?);
    Ok(())
}

/// Nothing that is open is a socket, which is what other runtimes say here.
pub(super) fn sock_shutdown(run: &mut Run<'_>) -> Done {
    run.process.fds.get(run.u32(0))?;
    Err(Errno::Notsock.into())
}

pub(super) fn no_sockets(_: &mut Run<'_>) -> Done {
    Err(Errno::Notsup.into())
}
