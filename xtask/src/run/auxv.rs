//! The auxiliary vector of a new program: the copy on its stack, which libc reads, and the copy that the kernel saved,
//! which debuggers read as `/proc/PID/auxv` (gdb finds the vDSO by it).

use super::remote::{Failure, Memory, Remote};
use nix::libc;
use nix::unistd::Pid;
use std::fs;
use std::io;

/// Bytes of an entry: type and value, a word each.
const ENTRY: u64 = 16;

/// The auxiliary vector that the kernel saved.
pub(super) struct Auxv(Vec<(u64, u64)>);

impl Auxv {
    /// Reads it from `/proc/PID/auxv`.
    pub(super) fn read(pid: Pid) -> io::Result<Auxv> {
        fs::read(format!("/proc/{pid}/auxv")).map(|bytes| Auxv::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Auxv {
        let words = words(bytes);
        let entries = words.chunks_exact(2).map(|entry| (entry[0], entry[1]));
        Auxv(entries.take_while(|entry| entry.0 != libc::AT_NULL).collect())
    }

    /// The value of the entry of type `kind`.
    pub(super) fn get(&self, kind: u64) -> Option<u64> {
        self.0.iter().find(|entry| entry.0 == kind).map(|entry| entry.1)
    }

    fn position(&self, kind: u64) -> Option<u64> {
        self.0.iter().position(|entry| entry.0 == kind).map(|index| index as u64)
    }

    /// Bytes of the whole, AT_NULL included.
    fn size(&self) -> u64 {
        (self.0.len() as u64 + 1) * ENTRY
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect()
}

/// Sets AT_SYSINFO_EHDR to `ehdr` in the copy on the stack of a new program, whose stack pointer is `stack`. Returns
/// the address of that copy.
pub(super) fn set_on_stack(memory: &Memory, stack: u64, saved: &Auxv, ehdr: u64) -> Result<u64, Failure> {
    let start = find_on_stack(memory, stack)?;
    let index = saved.position(libc::AT_SYSINFO_EHDR).ok_or_else(|| Failure::Refused(NO_VDSO.into()))?;
    let mut entry = [0; ENTRY as usize];
    let address = start + index * ENTRY;
    memory.read(&mut entry, address)?;
    if words(&entry)[0] != libc::AT_SYSINFO_EHDR {
        return Err(Failure::Refused("its stack and /proc/PID/auxv hold different auxiliary vectors".into()));
    }
    memory.write(&ehdr.to_ne_bytes(), address + 8)?;
    Ok(start)
}

/// What is said of a program without AT_SYSINFO_EHDR.
pub(super) const NO_VDSO: &str = "the kernel gives it no vDSO to take the place of (booted with vdso=0?)";

/// The address of the auxiliary vector: the stack of a new program holds argc, the arguments, a null, the environment,
/// a null, and then the vector (System V ABI, AMD64 supplement, 3.4.1).
fn find_on_stack(memory: &Memory, stack: u64) -> Result<u64, Failure> {
    let unreadable = || Failure::Refused("its stack holds no auxiliary vector".into());
    let mut argc = [0; 8];
    memory.read(&mut argc, stack)?;
    let past_arguments = u64::from_ne_bytes(argc).checked_add(2).and_then(|words| words.checked_mul(8));
    let mut address = past_arguments.and_then(|bytes| stack.checked_add(bytes)).ok_or_else(unreadable)?;
    let mut block = [0; 4096];
    loop {
        let read = memory.read_some(&mut block, address).map_err(|_| unreadable())?;
        let words = words(&block[..read]);
        if words.is_empty() {
            return Err(unreadable());
        }
        if let Some(null) = words.iter().position(|&word| word == 0) {
            return Ok(address + 8 * (null as u64 + 1));
        }
        address += 8 * words.len() as u64;
    }
}

/// Replaces the kernel's copy by the one on the stack, at `start`, by prctl(PR_SET_MM, PR_SET_MM_MAP): it sets all of
/// the process's memory map fields at once, hence the others are given as they are.
pub(super) fn set_saved(remote: &mut Remote<'_>, pid: Pid, saved: &Auxv, start: u64) -> Result<(), Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| Failure::Refused(format!("/proc/{pid}/stat: {error}")))?;
    let fields = MapFields::parse(&stat).ok_or_else(|| Failure::Refused(format!("/proc/{pid}/stat: {stat:?}")))?;
    let brk = remote.call("brk", libc::SYS_brk, [0; 6])?;
    let map = remote.put(&fields.prctl_mm_map(brk, start, saved.size() as u32))?;
    let arguments = [libc::PR_SET_MM as u64, libc::PR_SET_MM_MAP as u64, map, MapFields::SIZE as u64, 0, 0];
    remote.call("prctl(PR_SET_MM_MAP)", libc::SYS_prctl, arguments).map(drop)
}

/// Fields of `/proc/PID/stat` that are fields of `struct prctl_mm_map`, in that structure's order.
#[derive(Debug, PartialEq, Eq)]
struct MapFields {
    /// start_code, end_code, start_data, end_data, start_brk.
    below_brk: [u64; 5],
    /// start_stack, arg_start, arg_end, env_start, env_end.
    above_brk: [u64; 5],
}

impl MapFields {
    /// `sizeof(struct prctl_mm_map)` (linux/prctl.h).
    const SIZE: usize = 12 * 8 + 2 * 4;

    fn parse(stat: &str) -> Option<MapFields> {
        // The second field, the name in parentheses, may hold anything; the third follows the last parenthesis.
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
        // Numbers as in proc_pid_stat(5).
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(MapFields {
            below_brk: [field(26)?, field(27)?, field(45)?, field(46)?, field(47)?],
            above_brk: [field(28)?, field(48)?, field(49)?, field(50)?, field(51)?],
        })
    }

    fn prctl_mm_map(&self, brk: u64, auxv: u64, auxv_size: u32) -> [u8; Self::SIZE] {
        const NO_NEW_EXE: u32 = u32::MAX;
        let words = self.below_brk.iter().chain([&brk]).chain(&self.above_brk).chain([&auxv]);
        let mut bytes = [0; Self::SIZE];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[96..100].copy_from_slice(&auxv_size.to_ne_bytes());
        bytes[100..].copy_from_slice(&NO_NEW_EXE.to_ne_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_of_a_program_with_an_ugly_name() {
        let numbers: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let fields = MapFields::parse(&format!("1 (a) b) R {}", numbers.join(" "))).unwrap();
        assert_eq!(fields, MapFields { below_brk: [26, 27, 45, 46, 47], above_brk: [28, 48, 49, 50, 51] });
        assert_eq!(MapFields::parse("1 (a) R 4 5"), None);
        assert_eq!(MapFields::parse(""), None);
    }

    #[test]
    fn the_structure_for_prctl() {
        let fields = MapFields { below_brk: [1, 2, 3, 4, 5], above_brk: [7, 8, 9, 10, 11] };
        let bytes = fields.prctl_mm_map(6, 12, 0x150);
        assert_eq!(words(&bytes[..96]), (1..=12).collect::<Vec<u64>>());
        assert_eq!(bytes[96..], [0x50, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn own_vector_has_a_vdso_and_a_page_size() {
        let auxv = Auxv::read(Pid::this()).unwrap();
        assert_eq!(auxv.get(libc::AT_PAGESZ), Some(4096));
        assert!(auxv.get(libc::AT_SYSINFO_EHDR).is_some_and(|address| address % 4096 == 0));
        assert_eq!(auxv.get(libc::AT_NULL), None);
    }
}
