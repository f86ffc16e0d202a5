//! What of a module an image can hold, and the module that it is put into.

use wasm_encoder::Encode;
use wasmparser::{DataKind, Operator, Parser, Payload, Result, ValType};

use super::bodies;
use super::survey::Survey;

/// Why no image can be made of a module: it changes what an image does not hold.
pub(crate) fn unfit(module: &[u8]) -> Result<Option<String>> {
    let survey = Survey::of(module)?;
    if survey.imports_more {
        return Ok(Some("it imports what is no function".to_owned()));
    }
    if survey.data.is_none() {
        return Ok(Some("where its data begins is no constant, or not in memory 0".to_owned()));
    }
    let refs = survey.mutable.iter().find(|global| {
        matches!(survey.globals[global.index as usize].content_type, ValType::Ref(_))
    });
    if let Some(global) = refs {
        return Ok(Some(format!("its global {} holds a reference that may change", global.index)));
    }
    for (number, body) in bodies(module)?.iter().enumerate() {
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let Some(what) = changes(&reader.read()?) else { continue };
            let function = survey.functions_imported as usize + number;
            return Ok(Some(format!("its function {function} {what}")));
        }
    }
    Ok(None)
}

fn changes(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => "changes a table",
        Operator::DataDrop { .. } | Operator::ElemDrop { .. } => "drops a segment",
        _ => return None,
    })
}

/// What an instance's memory begins with: bytes and where they are put, in order.
pub(crate) fn data(module: &[u8]) -> Result<Vec<(u32, &[u8])>> {
    Ok(Survey::of(module)?.data.unwrap_or_default())
}

/// Whether data is put into one of some memories when an instance begins.
pub(super) fn data_goes_to(module: &[u8], wanted: impl Fn(u32) -> bool) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(section) = payload? else { continue };
        for data in section {
            if let DataKind::Active { memory_index, .. } = data?.kind
                && wanted(memory_index)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The section of data, each that is put into memory when an instance begins
/// replaced by one that is empty, as it is for whoever asks for it after that.
pub(super) fn without_data(module: &[u8]) -> Result<Option<Vec<u8>>> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(section) = payload? else { continue };
        let mut out = Vec::new();
        section.count().encode(&mut out);
        for data in section {
            let data = data?;
            let bytes = match data.kind {
                DataKind::Passive => data.data,
                DataKind::Active { .. } => &[],
            };
            1u32.encode(&mut out);
            bytes.encode(&mut out);
        }
        return Ok(Some(out));
    }
    Ok(None)
}
