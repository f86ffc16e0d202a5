/// How a run is driven.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Depth budgets, one of which each look gets.
    pub depths: Vec<u32>,
    /// Budgets of tail steps, likewise.
    pub tail_steps: Vec<u32>,
    /// Everything happens in the order in which it was asked for, at once.
    pub in_order: bool,
    /// The longest that anything takes, by the virtual clock.
    pub delay_max: u64,
    /// How often, in a thousand, an application that could run at once is left
    /// to the graph.
    pub claim: u32,
    /// How often somebody wants work.
    pub wants_work: u32,
    /// Whether content is resident to begin with.
    pub resident: bool,
    /// Collect garbage each time so many objects have been made.
    pub collect_every: Option<usize>,
    /// Whether looks and runs are logged; long runs cannot afford it.
    pub log: bool,
    /// How much the graph may take, as it is estimated.
    pub graph_bytes_max: u64,
    /// After so many steps, something goes round in circles.
    pub steps_max: u64,
    /// What goes wrong.
    pub faults: Faults,
}

/// How often things go wrong, in a thousand.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// An action is lost, though it may be performed yet.
    pub lose: u32,
    /// An action is performed twice, or reported on twice.
    pub duplicate: u32,
    /// A request is cancelled.
    pub cancel: u32,
    /// An application is run by somebody else meanwhile.
    pub elsewhere: u32,
    /// The machine and all workers begin anew, with some relations.
    pub restart: u32,
    /// Derived facts or relations are forgotten.
    pub forget: u32,
    /// Content stops being resident.
    pub evict: u32,
    /// What cannot be reached is deleted.
    pub collect: u32,
    /// The machine is told that nothing happens.
    pub idle: u32,
    /// How many restarts, lapses of memory, evictions and collections there may
    /// be in all.
    pub mischief_max: u32,
}

impl Settings {
    /// Nothing goes wrong.
    #[must_use]
    pub fn calm(depth: u32) -> Self {
        Self {
            depths: vec![depth],
            tail_steps: vec![1024],
            in_order: true,
            delay_max: 0,
            claim: 0,
            wants_work: 0,
            resident: true,
            collect_every: None,
            log: true,
            graph_bytes_max: 4 << 30,
            steps_max: 2_000_000,
            faults: Faults::default(),
        }
    }

    /// Any order, all content to be loaded first.
    #[must_use]
    pub fn any_order() -> Self {
        Self {
            depths: vec![0, 1, 3, 64],
            tail_steps: vec![1, 2, 7, 1024],
            in_order: false,
            delay_max: 30,
            claim: 400,
            wants_work: 300,
            resident: false,
            ..Self::calm(0)
        }
    }

    /// Everything goes wrong.
    #[must_use]
    pub fn rough() -> Self {
        let faults = Faults {
            lose: 60,
            duplicate: 60,
            cancel: 0,
            elsewhere: 200,
            restart: 4,
            forget: 30,
            evict: 60,
            collect: 40,
            idle: 100,
            mischief_max: 60,
        };
        Self { faults, ..Self::any_order() }
    }
}
