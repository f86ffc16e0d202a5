//! What a client asks for, one in a frame.

use std::borrow::Cow;

use weft_object::{Handle, Prefix};

use super::bytes::{Put, Take};
use super::value;
use crate::{Collect, Expect, Finder, Label, Pin, Relation, Run};

/// The bytes of content, with their name.
pub(super) type Named<'a> = (Handle, Cow<'a, [u8]>);

/// One of a client's requests. Each is a method of
/// [`Backend`](crate::Backend), except [`Request::Adopt`] and
/// [`Request::About`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request<'a> {
    Get(Handle),
    Contains(Handle),
    Put(Vec<Named<'a>>),
    /// The file of this name in the store's directory holds the content.
    Adopt(Handle, Cow<'a, str>),
    Relation(Handle),
    PutRelations(Cow<'a, [(Handle, Relation)]>),
    Label(Label),
    SetLabel(Label, Expect, Option<Handle>),
    Labels,
    Prefix(Prefix),
    Relations,
    Finder(Finder),
    Finders,
    PutRun(Run),
    Runs,
    Pin(Pin),
    Unpin(Handle),
    Pins,
    Recipe(Handle),
    Hold(Handle),
    Release(Handle),
    BeginWriting,
    EndWriting,
    Usage,
    Sync,
    /// What the holder tells of itself.
    About,
    SetBudget(Option<u64>),
    Collect(Collect),
    Removals,
}

impl<'a> Request<'a> {
    /// Whether it makes no difference if it is done twice.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::SetLabel(..) | Self::Unpin(_) | Self::PutRun(_))
    }

    /// The byte that says which it is.
    pub(super) fn tag(&self) -> u8 {
        match self {
            Self::Get(_) => 1,
            Self::Contains(_) => 2,
            Self::Put(_) => 3,
            Self::Adopt(..) => 4,
            Self::Relation(_) => 5,
            Self::PutRelations(_) => 6,
            Self::Label(_) => 7,
            Self::SetLabel(..) => 8,
            Self::Labels => 9,
            Self::Prefix(_) => 10,
            Self::Relations => 11,
            Self::Finder(_) => 12,
            Self::Finders => 13,
            Self::PutRun(_) => 14,
            Self::Runs => 15,
            Self::Pin(_) => 16,
            Self::Unpin(_) => 17,
            Self::Pins => 18,
            Self::Recipe(_) => 19,
            Self::Hold(_) => 20,
            Self::Release(_) => 21,
            Self::BeginWriting => 22,
            Self::EndWriting => 23,
            Self::Usage => 24,
            Self::Sync => 25,
            Self::About => 26,
            Self::SetBudget(_) => 27,
            Self::Collect(_) => 28,
            Self::Removals => 29,
        }
    }

    /// What stands behind the tag.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get(handle)
            | Self::Contains(handle)
            | Self::Relation(handle)
            | Self::Unpin(handle)
            | Self::Recipe(handle)
            | Self::Hold(handle)
            | Self::Release(handle) => out.put_handle(handle),
            Self::Put(batch) => {
                for (handle, bytes) in batch {
                    out.put_handle(handle);
                    out.put_bytes(bytes);
                }
            }
            Self::Adopt(handle, name) => {
                out.put_handle(handle);
                out.put_bytes(name.as_bytes());
            }
            Self::PutRelations(batch) => {
                batch.iter().for_each(|known| value::put_known(out, known));
            }
            Self::Label(label) => value::put_label(out, label),
            Self::SetLabel(label, expect, to) => {
                value::put_label(out, label);
                value::put_expect(out, expect);
                out.put_some(to.as_ref(), Vec::put_handle);
            }
            Self::Prefix(prefix) => value::put_prefix(out, prefix),
            Self::Finder(finder) => value::put_finder(out, finder),
            Self::PutRun(run) => value::put_run(out, run),
            Self::Pin(pin) => value::put_pin(out, pin),
            Self::SetBudget(bytes) => out.put_some(*bytes, Vec::put_u64),
            Self::Collect(options) => value::put_collect(out, options),
            Self::Labels
            | Self::Relations
            | Self::Finders
            | Self::Runs
            | Self::Pins
            | Self::BeginWriting
            | Self::EndWriting
            | Self::Usage
            | Self::Sync
            | Self::About
            | Self::Removals => {}
        }
    }

    /// Reads what [`Request::encode`] wrote, and nothing else.
    pub(super) fn decode(tag: u8, bytes: &'a [u8]) -> Option<Self> {
        let mut take = Take(bytes);
        let request = match tag {
            1 => Self::Get(take.handle()?),
            2 => Self::Contains(take.handle()?),
            3 => {
                let named = |take: &mut Take<'a>| Some((take.handle()?, take.bytes()?.into()));
                return take.all(named).map(Self::Put);
            }
            4 => Self::Adopt(take.handle()?, take.text()?.into()),
            5 => Self::Relation(take.handle()?),
            6 => return take.all(value::known).map(|all| Self::PutRelations(all.into())),
            7 => Self::Label(value::label(&mut take)?),
            8 => Self::SetLabel(
                value::label(&mut take)?,
                value::expect(&mut take)?,
                take.some(Take::handle)?,
            ),
            9 => Self::Labels,
            10 => Self::Prefix(value::prefix(&mut take)?),
            11 => Self::Relations,
            12 => Self::Finder(value::finder(&mut take)?),
            13 => Self::Finders,
            14 => Self::PutRun(value::run(&mut take)?),
            15 => Self::Runs,
            16 => Self::Pin(value::pin(&mut take)?),
            17 => Self::Unpin(take.handle()?),
            18 => Self::Pins,
            19 => Self::Recipe(take.handle()?),
            20 => Self::Hold(take.handle()?),
            21 => Self::Release(take.handle()?),
            22 => Self::BeginWriting,
            23 => Self::EndWriting,
            24 => Self::Usage,
            25 => Self::Sync,
            26 => Self::About,
            27 => Self::SetBudget(take.some(Take::u64)?),
            28 => Self::Collect(value::collect(&mut take)?),
            29 => Self::Removals,
            _ => return None,
        };
        take.end(request)
    }
}
