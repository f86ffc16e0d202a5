use std::sync::{Arc, OnceLock};

use crate::rewrite::{Fault, For};
use crate::way::{Ended, Kind, Way};

type Cell = OnceLock<Result<Arc<Way>, String>>;

/// The ways to run of one engine, for what is ended in one manner. Each is made
/// when it is first wanted.
pub(crate) struct Ways {
    ended: Ended,
    debug: bool,
    instances: u32,
    /// Of modules whose instances are used again; for those who look whether it is
    /// found.
    pub(crate) fault: Option<Fault>,
    pooled: Cell,
    again: Cell,
    roomy: Cell,
    metered: Cell,
}

impl Ways {
    pub(crate) fn new(ended: Ended, instances: u32, debug: bool) -> Self {
        let instances = if debug { 0 } else { instances };
        let [pooled, again, roomy, metered] = std::array::from_fn(|_| Cell::new());
        Self { ended, debug, instances, fault: None, pooled, again, roomy, metered }
    }

    fn way(&self, cell: &Cell, kind: Kind) -> Result<Arc<Way>, String> {
        let new = || Way::new(kind, self.ended, self.debug).map(Arc::new);
        cell.get_or_init(|| new().map_err(|error| format!("{error:#}"))).clone()
    }

    /// From the pool; `Err` says why that cannot be had, `None` that nobody wants
    /// one.
    pub(crate) fn pooled(&self) -> Option<Result<Arc<Way>, String>> {
        let kind = Kind::Pooled { instances: self.instances };
        (self.instances > 0).then(|| self.way(&self.pooled, kind))
    }

    /// The same for modules whose instances are used again.
    pub(crate) fn again(&self, compared: bool) -> Option<Arc<Way>> {
        let pooled = self.pooled()?.ok().filter(|_| self.ended == Ended::ByPolls)?;
        let new = || Ok(Arc::new(pooled.with(For::Again { compared, fault: self.fault })));
        self.again.get_or_init(new).clone().ok()
    }

    /// Without large reservations.
    pub(crate) fn roomy(&self) -> Result<Vec<Arc<Way>>, String> {
        self.way(&self.roomy, Kind::Roomy).map(|way| vec![way])
    }

    /// Without counting fuel, the best first.
    pub(crate) fn standard(&self) -> Result<Vec<Arc<Way>>, String> {
        match self.pooled() {
            Some(Ok(pooled)) => {
                let roomy = self.roomy().unwrap_or_default();
                Ok(std::iter::once(pooled).chain(roomy).collect())
            }
            _ => self.roomy(),
        }
    }

    /// Counting fuel.
    pub(crate) fn metered(&self) -> Result<Vec<Arc<Way>>, String> {
        self.way(&self.metered, Kind::Metered).map(|way| vec![way])
    }
}
