//! What a program finds on its stack: arguments, environment and the auxiliary vector (System V ABI; Linux's `include/uapi/linux/auxvec.h`).

use crate::arch::layout::USER_END;
use crate::arch::{self, signal};
use crate::elf::{Loaded, HEADER_SIZE};
use crate::paging::{Access, AddressSpace, Error, PAGE_SIZE};
use crate::random;

/// Pages of a program's stack.
const STACK_PAGES: u64 = 64;

/// Pages above the stack among which its top is chosen.
const RANDOM_PAGES: u64 = 1 << 10;

mod at {
    pub const NULL: u64 = 0;
    pub const PHDR: u64 = 3;
    pub const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const PAGESZ: u64 = 6;
    pub const BASE: u64 = 7;
    pub const FLAGS: u64 = 8;
    pub const ENTRY: u64 = 9;
    pub const UID: u64 = 11;
    pub const EUID: u64 = 12;
    pub const GID: u64 = 13;
    pub const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub const HWCAP: u64 = 16;
    pub const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub const HWCAP2: u64 = 26;
    pub const EXECFN: u64 = 31;
    pub const SYSINFO_EHDR: u64 = 33;
    pub const MINSIGSTKSZ: u64 = 51;
}

/// Bytes that are laid down from the top of the stack downwards.
struct Stack {
    space: AddressSpace,
    pointer: u64,
}

impl Stack {
    fn push(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        self.pointer -= bytes.len() as u64;
        self.space.write_bytes(self.pointer, bytes)?;
        Ok(self.pointer)
    }

    fn push_string(&mut self, text: &str) -> Result<u64, Error> {
        self.push(&[0])?;
        self.push(text.as_bytes())
    }

    /// So that it is a multiple of 16 once `words` words are pushed.
    fn align(&mut self, words: usize) {
        self.pointer = (self.pointer & !15) - (words % 2 * 8) as u64;
    }

    fn push_word(&mut self, word: u64) -> Result<u64, Error> {
        self.push(&word.to_le_bytes())
    }
}

/// Arguments that a program can be given.
pub const MAX_ARGUMENTS: usize = 4;

/// Maps a stack and fills it; the stack pointer to start with. `vdso` is the address of the vDSO's ELF header, if there is
/// one.
pub fn build(space: AddressSpace, program: &Loaded, arguments: &[&str], vdso: Option<u64>) -> Result<u64, Error> {
    let top = USER_END - random::number() % RANDOM_PAGES * PAGE_SIZE;
    for page in (top - STACK_PAGES * PAGE_SIZE..top).step_by(PAGE_SIZE as usize) {
        space.map_new(page, Access { read: true, write: true, execute: false })?;
    }
    let mut stack = Stack { space, pointer: top };
    let mut strings = [0; MAX_ARGUMENTS];
    for (address, text) in strings.iter_mut().zip(arguments) {
        *address = stack.push_string(text)?;
    }
    let strings = &strings[..arguments.len().min(MAX_ARGUMENTS)];
    let platform = stack.push_string(arch::NAME)?;
    stack.push(&random::number().to_le_bytes())?;
    let random = stack.push(&random::number().to_le_bytes())?;

    let (hwcap, hwcap2) = arch::cpu::hwcap();
    let entries = [
        (at::SYSINFO_EHDR, vdso.unwrap_or(0)),
        (at::MINSIGSTKSZ, signal::MIN_STACK),
        (at::HWCAP, hwcap),
        (at::PAGESZ, PAGE_SIZE),
        (at::CLKTCK, 100),
        (at::PHDR, program.headers),
        (at::PHENT, HEADER_SIZE),
        (at::PHNUM, program.header_count),
        (at::BASE, 0),
        (at::FLAGS, 0),
        (at::ENTRY, program.entry),
        (at::UID, 0),
        (at::EUID, 0),
        (at::GID, 0),
        (at::EGID, 0),
        (at::SECURE, 0),
        (at::RANDOM, random),
        (at::HWCAP2, hwcap2),
        (at::EXECFN, strings.first().copied().unwrap_or(0)),
        (at::PLATFORM, platform),
        (at::NULL, 0),
    ];
    // Without a vDSO the entry is left out, as Linux does.
    let entries = if vdso.is_some() { &entries[..] } else { &entries[1..] };

    stack.align(2 * entries.len() + 1 + strings.len() + 1 + 1);
    for &(kind, value) in entries.iter().rev() {
        stack.push_word(value)?;
        stack.push_word(kind)?;
    }
    stack.push_word(0)?; // end of the environment
    stack.push_word(0)?; // end of the arguments
    for &address in strings.iter().rev() {
        stack.push_word(address)?;
    }
    stack.push_word(strings.len() as u64)
}
