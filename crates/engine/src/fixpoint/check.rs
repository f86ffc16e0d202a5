//! Which modules are for Fixpoint's interface.

use super::names::{Call, EXPORT, MODULES, NAMES};
use crate::abi;
use crate::check::{Part, Shape, Wanted, check_for, outline};
use crate::meaning::fixpoint_features;
use crate::outcome::Failure;

/// Whether a module is to be looked at as one: it has the export or imports from
/// the modules, and is none of ours. Reads no code, and of a module that is
/// malformed as much as there is.
pub(crate) fn is_one(module: &[u8]) -> bool {
    let (mut found, mut is_ours) = (false, false);
    let read = outline(module, |part| match part {
        Part::ImportsFrom(module) => found |= MODULES.contains(&module),
        Part::Function(name) => {
            found |= name == EXPORT;
            is_ours |= name == abi::table::EXPORT;
        }
    });
    read.is_ok() && found && !is_ours
}

/// Checks one.
pub(super) fn check(module: &[u8]) -> Result<Shape, Failure> {
    let wanted = Wanted {
        features: fixpoint_features(),
        import: &|module, name, ty| {
            let params = ty.map_or(0, |ty| ty.params().len());
            let call = MODULES.contains(&module).then(|| Call::of(name, params)).flatten();
            call.map(Call::signature)
        },
        known: (MODULES[0], NAMES),
        hint: &|module| {
            let ours = module == abi::table::MODULE;
            ours.then_some("a module has the functions of weft_1 or of fixpoint, not both")
        },
        export: Some((EXPORT, &["(externref) -> externref"])),
        others: &[],
        otherwise: &|_| ("", None),
    };
    check_for(module, &wanted)
}
