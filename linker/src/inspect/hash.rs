//! The two hash tables over the dynamic symbols, looked into as clients do.
//!
//! System V ABI, "Hash Table", for DT_HASH; <https://flapenguin.me/elf-dt-gnu-hash> and the sources of glibc
//! (`do_lookup_x`) for DT_GNU_HASH, which no standard describes.

use super::dynamic::{value, DynamicEntry};
use super::file::Source;
use super::symbols::Symbol;
use super::{Part, Problems};
use object::elf;
use object::read::elf::FileHeader;
use object::read::ReadRef;
use object::{Endianness, U32};
use serde::Serialize;
use std::mem::size_of;

/// Which kind of hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashKind {
    /// DT_HASH.
    Sysv,
    /// DT_GNU_HASH.
    Gnu,
}

/// A hash table and what a look-up of each symbol in it came to.
#[derive(Debug, Clone, Serialize)]
pub struct HashTable {
    /// Which kind.
    pub kind: HashKind,
    /// Its address.
    pub address: u64,
    /// Buckets.
    pub buckets: u32,
    /// How many symbols it says the symbol table has, the empty first one included.
    pub symbols: Option<u32>,
    /// Words of the Bloom filter, for DT_GNU_HASH. Clients take it for a power of two.
    pub bloom_words: Option<u32>,
    /// Shift of the Bloom filter's second hash, for DT_GNU_HASH.
    pub bloom_shift: Option<u32>,
    /// Defined symbols that a look-up of their name does not find.
    pub missing: Vec<String>,
}

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
    symbols: &[Symbol],
    problems: &mut Problems,
) -> Vec<HashTable> {
    let mut tables = Vec::new();
    if let Some(address) = value(dynamic, elf::DT_HASH) {
        match Sysv::read(source, address) {
            Ok(table) => {
                if let Some(what) = table.stray_chain() {
                    problems.add(Part::SysvHash, "DT_HASH", what);
                }
                tables.push(HashTable {
                    kind: HashKind::Sysv,
                    address,
                    buckets: table.buckets.len() as u32,
                    symbols: Some(table.chains.len() as u32),
                    bloom_words: None,
                    bloom_shift: None,
                    missing: missing(symbols, |name| table.find(name, symbols)),
                });
            }
            Err(what) => problems.add(Part::SysvHash, "DT_HASH", what),
        }
    }
    if let Some(address) = value(dynamic, elf::DT_GNU_HASH) {
        match Gnu::read(source, address) {
            Ok(table) => {
                if let Some(what) = table.stray_chain() {
                    problems.add(Part::GnuHash, "DT_GNU_HASH", what);
                }
                tables.push(HashTable {
                    kind: HashKind::Gnu,
                    address,
                    buckets: table.buckets.len() as u32,
                    symbols: table.symbol_count(),
                    bloom_words: Some(table.bloom.len() as u32),
                    bloom_shift: Some(table.shift),
                    missing: missing(symbols, |name| table.find(name, symbols)),
                });
            }
            Err(what) => problems.add(Part::GnuHash, "DT_GNU_HASH", what),
        }
    }
    tables
}

/// The defined, visible symbols that `find` does not lead to.
fn missing(symbols: &[Symbol], find: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let exported = |symbol: &&Symbol| symbol.is_defined() && symbol.binding.value != u64::from(elf::STB_LOCAL.0);
    let lost = |symbol: &&Symbol| find(&symbol.name).is_none();
    symbols.iter().filter(exported).filter(lost).map(|symbol| symbol.name.clone()).collect()
}

/// The symbol with this index of the table, of which `symbols` lacks the empty first one.
fn symbol(symbols: &[Symbol], index: u32) -> Option<&Symbol> {
    symbols.get((index as usize).checked_sub(1)?)
}

pub(super) fn sysv_symbol_count<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
) -> Option<u32> {
    Some(Sysv::read(source, value(dynamic, elf::DT_HASH)?).ok()?.chains.len() as u32)
}

pub(super) fn gnu_symbol_count<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
) -> Option<u32> {
    Gnu::read(source, value(dynamic, elf::DT_GNU_HASH)?).ok()?.symbol_count()
}

/// The index that ends a chain.
const STN_UNDEF: u32 = 0;

const OUTSIDE: &str = "does not lie in a PT_LOAD of the file";

struct Sysv<'a> {
    endian: Endianness,
    buckets: &'a [U32<Endianness>],
    chains: &'a [U32<Endianness>],
}

impl<'a> Sysv<'a> {
    fn read<Elf: FileHeader<Endian = Endianness>>(source: &Source<'a, Elf>, address: u64) -> Result<Self, String> {
        let endian = source.endian;
        let bytes = source.at(address).ok_or_else(|| format!("{address:#x} {OUTSIDE}"))?;
        let mut offset = 0;
        let header: &elf::HashHeader<Endianness> =
            bytes.read(&mut offset).map_err(|()| format!("its header at {address:#x} {OUTSIDE}"))?;
        let mut words = |name: &str, count: u32| {
            bytes.read_slice(&mut offset, count as usize).map_err(|()| format!("{name} {count}: the table {OUTSIDE}"))
        };
        let buckets = words("nbucket", header.bucket_count.get(endian))?;
        let chains = words("nchain", header.chain_count.get(endian))?;
        Ok(Sysv { endian, buckets, chains })
    }

    /// The first bucket or chain that a look-up of some name, there or not, would follow out of the table or for ever.
    fn stray_chain(&self) -> Option<String> {
        let count = self.chains.len();
        let outside = |words: &[U32<Endianness>], name: &str| {
            let index = words.iter().position(|word| word.get(self.endian) as usize >= count)?;
            let value = words[index].get(self.endian);
            Some(format!("{name}[{index}] is {value:#x}, but nchain is {count}: a look-up reads outside of the table"))
        };
        if let Some(what) = outside(self.buckets, "bucket").or_else(|| outside(self.chains, "chain")) {
            return Some(what);
        }
        // Chains may join, so each link that is known to lead to an end is followed once.
        let mut ends = vec![false; count];
        for (bucket, first) in self.buckets.iter().enumerate() {
            let mut path = Vec::new();
            let mut index = first.get(self.endian);
            while index != STN_UNDEF && !ends[index as usize] {
                if path.len() == count {
                    return Some(format!(
                        "the chain from bucket[{bucket}] does not come to 0 within nchain {count} steps: looking up a \
                         name that is not in it never ends"
                    ));
                }
                path.push(index as usize);
                index = self.chains[index as usize].get(self.endian);
            }
            for link in path {
                ends[link] = true;
            }
        }
        None
    }

    fn find(&self, name: &str, symbols: &[Symbol]) -> Option<usize> {
        let hash = elf::hash(name.as_bytes());
        let bucket = hash.checked_rem(self.buckets.len() as u32)?;
        let mut index = self.buckets.get(bucket as usize)?.get(self.endian);
        // A chain that visits more links than there are runs in a circle.
        for _ in 0..self.chains.len() {
            if index == STN_UNDEF {
                return None;
            }
            if symbol(symbols, index)?.name == name {
                return Some(index as usize);
            }
            index = self.chains.get(index as usize)?.get(self.endian);
        }
        None
    }
}

struct Gnu<'a> {
    endian: Endianness,
    /// The first symbol in the table.
    base: u32,
    shift: u32,
    bloom: Vec<u64>,
    word_bits: u32,
    buckets: &'a [U32<Endianness>],
    /// Hash of each symbol from `base` on, the lowest bit set at the end of a chain; as far as the segment reaches.
    hashes: &'a [U32<Endianness>],
}

impl<'a> Gnu<'a> {
    fn read<Elf: FileHeader<Endian = Endianness>>(source: &Source<'a, Elf>, address: u64) -> Result<Self, String> {
        let endian = source.endian;
        let bytes = source.at(address).ok_or_else(|| format!("{address:#x} {OUTSIDE}"))?;
        let mut offset = 0;
        let header: &elf::GnuHashHeader<Endianness> =
            bytes.read(&mut offset).map_err(|()| format!("its header at {address:#x} {OUTSIDE}"))?;
        let word = if source.is_64() { size_of::<u64>() } else { size_of::<u32>() };
        let bloom_words = header.bloom_count.get(endian);
        let filter = bytes
            .read_bytes(&mut offset, u64::from(bloom_words) * word as u64)
            .map_err(|()| format!("{bloom_words} Bloom filter words: the table {OUTSIDE}"))?;
        let bucket_count = header.bucket_count.get(endian);
        let buckets = bytes
            .read_slice(&mut offset, bucket_count as usize)
            .map_err(|()| format!("{bucket_count} buckets: the table {OUTSIDE}"))?;
        let rest = (bytes.len() - offset as usize) / size_of::<u32>();
        let hashes = bytes.read_slice(&mut offset, rest).map_err(|()| format!("the hash values: {OUTSIDE}"))?;
        let bloom = filter.chunks_exact(word).map(|word| unsigned(word, endian)).collect();
        let (base, shift) = (header.symbol_base.get(endian), header.bloom_shift.get(endian));
        Ok(Gnu { endian, base, shift, bloom, word_bits: 8 * word as u32, buckets, hashes })
    }

    /// One more than the last symbol of the last chain. An empty table has the symbols before its base.
    fn symbol_count(&self) -> Option<u32> {
        let last = self.buckets.iter().map(|bucket| bucket.get(self.endian)).max()?;
        if last == 0 {
            return Some(self.base);
        }
        let chain = self.hashes.get(last.checked_sub(self.base)? as usize..)?;
        let length = chain.iter().position(|hash| hash.get(self.endian) & 1 != 0)?;
        last.checked_add(u32::try_from(length).ok()?)?.checked_add(1)
    }

    /// The first bucket that leads a look-up before the hash values. That the others' chains end within the symbols, the
    /// last of them shows ([`symbol_count`](Self::symbol_count)).
    fn stray_chain(&self) -> Option<String> {
        let stray = |bucket: &U32<Endianness>| (1..self.base).contains(&bucket.get(self.endian));
        let index = self.buckets.iter().position(stray)?;
        let value = self.buckets[index].get(self.endian);
        let base = self.base;
        Some(format!("bucket[{index}] is {value:#x}, but symoffset is {base:#x}: a look-up reads outside of the table"))
    }

    fn find(&self, name: &str, symbols: &[Symbol]) -> Option<usize> {
        let hash = elf::gnu_hash(name.as_bytes());
        if !self.bloom_may_have(hash)? {
            return None;
        }
        let bucket = hash.checked_rem(self.buckets.len() as u32)?;
        let mut index = self.buckets.get(bucket as usize)?.get(self.endian);
        if index == 0 {
            return None;
        }
        for value in self.hashes.get(index.checked_sub(self.base)? as usize..)? {
            let value = value.get(self.endian);
            if value | 1 == hash | 1 && symbol(symbols, index)?.name == name {
                return Some(index as usize);
            }
            if value & 1 != 0 {
                return None;
            }
            index = index.checked_add(1)?;
        }
        None
    }

    /// What the filter says of a hash. Clients mask with `words - 1`, as if it were a power of two.
    fn bloom_may_have(&self, hash: u32) -> Option<bool> {
        let mask = (self.bloom.len() as u32).checked_sub(1)?;
        let word = self.bloom.get(((hash / self.word_bits) & mask) as usize)?;
        let second = hash.checked_shr(self.shift)?;
        Some(word >> (hash % self.word_bits) & word >> (second % self.word_bits) & 1 != 0)
    }
}

/// A 4- or 8-byte number.
fn unsigned(bytes: &[u8], endian: Endianness) -> u64 {
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match endian {
        Endianness::Little => bytes.iter().rev().fold(0, fold),
        Endianness::Big => bytes.iter().fold(0, fold),
    }
}
