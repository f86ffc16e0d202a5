//! `wasi:filesystem`: descriptors are those of preview 1, and so is what they
//! answer.

use wasmtime::component::Resource;
use weft_object::directory::FileKind;
use weft_wasi::{Errno, NewTime, Opening, Stat};

use super::bindings::wasi::filesystem::{preopens, types};
use super::clocks::{datetime, ns};
use super::fault::code;
use super::resources::{Descriptor, Failed, Input, Listing, Output};
use super::{Fault, Hosted};

/// The most that is read at a time.
const READ_BYTES_MAX: u64 = 1 << 20;

const fn kind_of(kind: FileKind) -> types::DescriptorType {
    match kind {
        FileKind::File => types::DescriptorType::RegularFile,
        FileKind::Directory => types::DescriptorType::Directory,
        FileKind::Symlink => types::DescriptorType::SymbolicLink,
    }
}

fn stat_of(stat: &Stat) -> types::DescriptorStat {
    types::DescriptorStat {
        type_: kind_of(stat.kind),
        link_count: stat.links,
        size: stat.size,
        data_access_timestamp: Some(datetime(stat.accessed_ns)),
        data_modification_timestamp: Some(datetime(stat.modified_ns)),
        status_change_timestamp: Some(datetime(stat.changed_ns)),
    }
}

fn time(time: types::NewTimestamp) -> Result<NewTime, Errno> {
    Ok(match time {
        types::NewTimestamp::NoChange => NewTime::Same,
        types::NewTimestamp::Now => NewTime::Now,
        types::NewTimestamp::Timestamp(time) => NewTime::At(ns(time).ok_or(Errno::Overflow)?),
    })
}

fn follows(flags: types::PathFlags) -> bool {
    flags.contains(types::PathFlags::SYMLINK_FOLLOW)
}

/// By its number alone: two that have the same are one.
const fn hash(number: u64) -> types::MetadataHashValue {
    types::MetadataHashValue { lower: number, upper: 0 }
}

impl Hosted {
    fn fd(&self, it: &Resource<Descriptor>) -> wasmtime::Result<u32> {
        Ok(self.get(it)?.fd)
    }

    fn duplicate(&mut self, fd: u32) -> Result<u32, Fault> {
        self.direct(|direct| Ok(direct.duplicate(fd)?))
    }

    /// A file that is open as it has to be, for a stream.
    fn opened(&mut self, it: &Resource<Descriptor>, write: bool) -> Result<u32, Fault> {
        let fd = self.fd(it)?;
        match self.direct(|direct| Ok(direct.access(fd)?))? {
            None => Err(Errno::Isdir.into()),
            Some((reads, writes)) if (if write { writes } else { reads }) => self.duplicate(fd),
            Some(_) => Err(Errno::Badf.into()),
        }
    }

    /// Whether it is a file, which other runtimes ask for where there is
    /// nothing to do.
    fn check_file(&mut self, it: &Resource<Descriptor>) -> Result<(), Fault> {
        let fd = self.fd(it)?;
        match self.direct(|direct| Ok(direct.access(fd)?))? {
            Some(_) => Ok(()),
            None => Err(Errno::Badf.into()),
        }
    }
}

impl preopens::Host for Hosted {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let given = self.running.process.preopens();
        let given: Vec<_> =
            given.map(|(fd, path)| (fd, String::from_utf8_lossy(path).into_owned())).collect();
        let mut directories = Vec::new();
        for (fd, path) in given {
            match self.duplicate(fd) {
                Ok(fd) => directories.push((self.push(Descriptor { fd })?, path)),
                Err(Fault::End(error)) => return Err(error),
                // There is no room for what the program asks for once more.
                Err(_) => return Ok(directories),
            }
        }
        Ok(directories)
    }
}

impl types::Host for Hosted {
    fn convert_error_code(&mut self, fault: Fault) -> wasmtime::Result<types::ErrorCode> {
        match fault {
            Fault::Errno(errno) => Ok(code(errno)),
            Fault::Closed => Ok(types::ErrorCode::Io),
            Fault::End(error) => Err(error),
        }
    }

    fn filesystem_error_code(
        &mut self,
        it: Resource<Failed>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        Ok(Some(code(self.get(&it)?.0)))
    }
}

impl types::HostDirectoryEntryStream for Hosted {
    fn read_directory_entry(
        &mut self,
        it: Resource<Listing>,
    ) -> Result<Option<types::DirectoryEntry>, Fault> {
        let Listing { fd, at } = *self.get(&it)?;
        let Some(listed) = self.direct(|direct| direct.list(fd, at))? else { return Ok(None) };
        self.get_mut(&it)?.at = listed.next;
        let name = String::from_utf8(listed.name.as_bytes().to_vec());
        let name = name.map_err(|_| Errno::Ilseq)?;
        Ok(Some(types::DirectoryEntry { type_: kind_of(listed.kind), name }))
    }

    fn drop(&mut self, it: Resource<Listing>) -> wasmtime::Result<()> {
        let listing = self.delete(it)?;
        self.close(listing.fd)
    }
}

impl types::HostDescriptor for Hosted {
    fn read_via_stream(
        &mut self,
        it: Resource<Descriptor>,
        at: u64,
    ) -> Result<Resource<Input>, Fault> {
        let fd = self.opened(&it, false)?;
        Ok(self.push(Input::File { fd, at })?)
    }

    fn write_via_stream(
        &mut self,
        it: Resource<Descriptor>,
        at: u64,
    ) -> Result<Resource<Output>, Fault> {
        let fd = self.opened(&it, true)?;
        Ok(self.push(Output::File { fd, at: Some(at) })?)
    }

    fn append_via_stream(&mut self, it: Resource<Descriptor>) -> Result<Resource<Output>, Fault> {
        let fd = self.opened(&it, true)?;
        Ok(self.push(Output::File { fd, at: None })?)
    }

    fn advise(
        &mut self,
        it: Resource<Descriptor>,
        _: u64,
        _: u64,
        _: types::Advice,
    ) -> Result<(), Fault> {
        self.check_file(&it)
    }

    fn sync_data(&mut self, it: Resource<Descriptor>) -> Result<(), Fault> {
        self.check_file(&it)
    }

    fn sync(&mut self, it: Resource<Descriptor>) -> Result<(), Fault> {
        self.check_file(&it)
    }

    fn get_flags(&mut self, it: Resource<Descriptor>) -> Result<types::DescriptorFlags, Fault> {
        use types::DescriptorFlags as Flags;
        let fd = self.fd(&it)?;
        Ok(match self.direct(|direct| Ok(direct.access(fd)?))? {
            None => Flags::READ | Flags::MUTATE_DIRECTORY,
            Some((true, true)) => Flags::READ | Flags::WRITE,
            Some((true, false)) => Flags::READ,
            Some((false, true)) => Flags::WRITE,
            Some((false, false)) => Flags::empty(),
        })
    }

    fn get_type(&mut self, it: Resource<Descriptor>) -> Result<types::DescriptorType, Fault> {
        let fd = self.fd(&it)?;
        let kind = self.direct(|direct| Ok(direct.kind(fd)?))?;
        Ok(kind.map_or(types::DescriptorType::Unknown, |(kind, _)| kind_of(kind)))
    }

    fn set_size(&mut self, it: Resource<Descriptor>, size: u64) -> Result<(), Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.set_size(fd, size))
    }

    fn set_times(
        &mut self,
        it: Resource<Descriptor>,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> Result<(), Fault> {
        let (fd, times) = (self.fd(&it)?, (time(accessed)?, time(modified)?));
        self.direct(|direct| direct.set_times(fd, times))
    }

    fn read(
        &mut self,
        it: Resource<Descriptor>,
        len: u64,
        at: u64,
    ) -> Result<(Vec<u8>, bool), Fault> {
        let (fd, most) = (self.fd(&it)?, len.min(READ_BYTES_MAX));
        let bytes = self.direct(|direct| Ok(direct.read(fd, at, most)?.to_vec()))?;
        let ended = (bytes.len() as u64) < most;
        Ok((bytes, ended))
    }

    fn write(&mut self, it: Resource<Descriptor>, bytes: Vec<u8>, at: u64) -> Result<u64, Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.write(fd, Some(at), &bytes))?;
        Ok(bytes.len() as u64)
    }

    fn read_directory(&mut self, it: Resource<Descriptor>) -> Result<Resource<Listing>, Fault> {
        let fd = self.fd(&it)?;
        // Says now whether it is one.
        self.direct(|direct| direct.list(fd, 0))?;
        let fd = self.duplicate(fd)?;
        Ok(self.push(Listing { fd, at: 0 })?)
    }

    fn create_directory_at(&mut self, it: Resource<Descriptor>, path: String) -> Result<(), Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.create_directory(fd, path.as_bytes()))
    }

    fn stat(&mut self, it: Resource<Descriptor>) -> Result<types::DescriptorStat, Fault> {
        let fd = self.fd(&it)?;
        let stat = self.direct(|direct| direct.stat(fd))?.ok_or(Errno::Badf)?;
        Ok(stat_of(&stat))
    }

    fn stat_at(
        &mut self,
        it: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> Result<types::DescriptorStat, Fault> {
        let fd = self.fd(&it)?;
        let stat = self.direct(|direct| direct.stat_at(fd, path.as_bytes(), follows(flags)))?;
        Ok(stat_of(&stat))
    }

    fn set_times_at(
        &mut self,
        it: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> Result<(), Fault> {
        let (fd, times) = (self.fd(&it)?, (time(accessed)?, time(modified)?));
        self.direct(|direct| direct.set_times_at(fd, path.as_bytes(), follows(flags), times))
    }

    fn link_at(
        &mut self,
        it: Resource<Descriptor>,
        flags: types::PathFlags,
        old: String,
        other: Resource<Descriptor>,
        new: String,
    ) -> Result<(), Fault> {
        if follows(flags) {
            return Err(Errno::Inval.into());
        }
        let (from, to) = (self.fd(&it)?, self.fd(&other)?);
        self.direct(|direct| direct.link((from, old.as_bytes()), (to, new.as_bytes())))
    }

    fn open_at(
        &mut self,
        it: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
        open: types::OpenFlags,
        wanted: types::DescriptorFlags,
    ) -> Result<Resource<Descriptor>, Fault> {
        use types::{DescriptorFlags, OpenFlags};
        let (create, truncate) =
            (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::TRUNCATE));
        let writes = wanted.contains(DescriptorFlags::WRITE);
        let opening = Opening {
            follow: follows(flags),
            create,
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate,
            directory: open.contains(OpenFlags::DIRECTORY),
            read: wanted.contains(DescriptorFlags::READ) || !writes,
            write: writes || create || truncate,
            flags: 0,
        };
        let fd = self.fd(&it)?;
        let fd = self.direct(|direct| direct.open(fd, path.as_bytes(), opening))?;
        Ok(self.push(Descriptor { fd })?)
    }

    fn readlink_at(&mut self, it: Resource<Descriptor>, path: String) -> Result<String, Fault> {
        let fd = self.fd(&it)?;
        let target = self.direct(|direct| direct.read_link(fd, path.as_bytes()))?;
        Ok(String::from_utf8(target.bytes().to_vec()).map_err(|_| Errno::Ilseq)?)
    }

    fn remove_directory_at(&mut self, it: Resource<Descriptor>, path: String) -> Result<(), Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.remove_directory(fd, path.as_bytes()))
    }

    fn rename_at(
        &mut self,
        it: Resource<Descriptor>,
        old: String,
        other: Resource<Descriptor>,
        new: String,
    ) -> Result<(), Fault> {
        let (from, to) = (self.fd(&it)?, self.fd(&other)?);
        self.direct(|direct| direct.rename((from, old.as_bytes()), (to, new.as_bytes())))
    }

    fn symlink_at(
        &mut self,
        it: Resource<Descriptor>,
        target: String,
        path: String,
    ) -> Result<(), Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.symlink(target.as_bytes(), fd, path.as_bytes()))
    }

    fn unlink_file_at(&mut self, it: Resource<Descriptor>, path: String) -> Result<(), Fault> {
        let fd = self.fd(&it)?;
        self.direct(|direct| direct.unlink(fd, path.as_bytes()))
    }

    fn is_same_object(
        &mut self,
        it: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let (one, other) = (self.fd(&it)?, self.fd(&other)?);
        let same = self.direct(|direct| Ok(direct.kind(one)? == direct.kind(other)?));
        match same {
            Ok(same) => Ok(same),
            Err(Fault::End(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    fn metadata_hash(
        &mut self,
        it: Resource<Descriptor>,
    ) -> Result<types::MetadataHashValue, Fault> {
        let fd = self.fd(&it)?;
        let (_, number) = self.direct(|direct| Ok(direct.kind(fd)?))?.ok_or(Errno::Badf)?;
        Ok(hash(number))
    }

    fn metadata_hash_at(
        &mut self,
        it: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> Result<types::MetadataHashValue, Fault> {
        let fd = self.fd(&it)?;
        let stat = self.direct(|direct| direct.stat_at(fd, path.as_bytes(), follows(flags)))?;
        Ok(hash(stat.number))
    }

    fn drop(&mut self, it: Resource<Descriptor>) -> wasmtime::Result<()> {
        let descriptor = self.delete(it)?;
        self.close(descriptor.fd)
    }
}
