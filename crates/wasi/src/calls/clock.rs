use super::{Done, Run};
use crate::Errno;

/// Realtime and monotonic; those of processor time are not there, as nothing
/// measures it.
pub(super) fn check_clock(id: u32) -> Result<(), Errno> {
    match id {
        0 | 1 => Ok(()),
        2 | 3 => Err(Errno::Badf),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn clock_res_get(run: &mut Run<'_>) -> Done {
    check_clock(run.u32(0))?;
    let resolution = run.process.clock.resolution_ns();
    Ok(run.memory.write_u64(run.u32(1), resolution)?)
}

pub(super) fn clock_time_get(run: &mut Run<'_>) -> Done {
    check_clock(run.u32(0))?;
    let result = run.u32(2);
    run.memory.check(result, 8)?;
    let now = run.process.clock.read_ns();
    Ok(run.memory.write_u64(result, now)?)
}
