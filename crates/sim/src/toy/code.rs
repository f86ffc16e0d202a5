use super::Expr;

/// How every procedure begins.
pub const MAGIC: &[u8; 2] = b"t:";

pub(super) fn encode(expr: &Expr, out: &mut Vec<u8>) {
    let (operation, parts): (u8, &[&Expr]) = match expr {
        Expr::Limits => (b'l', &[]),
        Expr::Itself => (b'f', &[]),
        Expr::Whole => (b'w', &[]),
        Expr::Arg(index) => {
            out.extend([b'a', *index]);
            return;
        }
        Expr::Number(value) => {
            out.push(b'n');
            return number(*value, out);
        }
        Expr::Bytes(bytes) => return text(b'b', bytes, out),
        Expr::Fail(bytes) => return text(b'!', bytes, out),
        Expr::Tree(parts) => {
            out.push(b't');
            number(parts.len() as u64, out);
            return parts.iter().for_each(|part| encode(part, out));
        }
        Expr::Fuel(fuel, then) => {
            out.push(b'u');
            number(*fuel, out);
            return encode(then, out);
        }
        Expr::Application(a) => (b'A', &[a]),
        Expr::Identification(a) => (b'I', &[a]),
        Expr::Selection(a) => (b'S', &[a]),
        Expr::Strict(a) => (b's', &[a]),
        Expr::Shallow(a) => (b'h', &[a]),
        Expr::Lower(a) => (b'r', &[a]),
        Expr::Get(a, b) => (b'g', &[a, b]),
        Expr::Length(a) => (b'L', &[a]),
        Expr::Sum(a) => (b'U', &[a]),
        Expr::Add(a, b) => (b'+', &[a, b]),
        Expr::Dec(a) => (b'-', &[a]),
        Expr::IfZero(a, b, c) => (b'?', &[a, b, c]),
        Expr::Trap => (b'x', &[]),
        Expr::Exhaust => (b'e', &[]),
        Expr::Tag(a, b) => (b'T', &[a, b]),
    };
    out.push(operation);
    parts.iter().for_each(|part| encode(part, out));
}

// Seven bits a byte, the lowest first.
fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(operation: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(operation);
    number(bytes.len() as u64, out);
    out.extend(bytes);
}

/// Reads a procedure; `None` if it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<Expr> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let expr = read(&mut rest)?;
    rest.is_empty().then_some(expr)
}

fn read(rest: &mut &[u8]) -> Option<Expr> {
    let boxed = |rest: &mut &[u8]| read(rest).map(Box::new);
    Some(match read_byte(rest)? {
        b'l' => Expr::Limits,
        b'f' => Expr::Itself,
        b'w' => Expr::Whole,
        b'a' => Expr::Arg(read_byte(rest)?),
        b'n' => Expr::Number(read_number(rest)?),
        b'b' => Expr::Bytes(read_text(rest)?),
        b'!' => Expr::Fail(read_text(rest)?),
        b't' => {
            let count = read_number(rest)?;
            Expr::Tree((0..count).map(|_| read(rest)).collect::<Option<_>>()?)
        }
        b'u' => Expr::Fuel(read_number(rest)?, boxed(rest)?),
        b'A' => Expr::Application(boxed(rest)?),
        b'I' => Expr::Identification(boxed(rest)?),
        b'S' => Expr::Selection(boxed(rest)?),
        b's' => Expr::Strict(boxed(rest)?),
        b'h' => Expr::Shallow(boxed(rest)?),
        b'r' => Expr::Lower(boxed(rest)?),
        b'g' => Expr::Get(boxed(rest)?, boxed(rest)?),
        b'L' => Expr::Length(boxed(rest)?),
        b'U' => Expr::Sum(boxed(rest)?),
        b'+' => Expr::Add(boxed(rest)?, boxed(rest)?),
        b'-' => Expr::Dec(boxed(rest)?),
        b'?' => Expr::IfZero(boxed(rest)?, boxed(rest)?, boxed(rest)?),
        b'x' => Expr::Trap,
        b'e' => Expr::Exhaust,
        b'T' => Expr::Tag(boxed(rest)?, boxed(rest)?),
        _ => return None,
    })
}

fn read_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = read_byte(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn read_text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text.to_vec())
}
