//! The order of counter reads on LoongArch.
//!
//! What the manual says:
//!
//! - RDTIME reads a counter (2.2.10.4). It is not among the accesses to memory, nor among the synchronisations.
//! - DBAR, IBAR and some atomic operations are synchronisations. They are executed in program order, each when the one
//!   before is done; each waits for the accesses to memory before it, and the accesses behind it wait for it (2.1.9).
//!   DBAR 0 is for loads and stores only (2.2.8.1).
//! - What is fetched behind IBAR 0 is as all stores before it have left it (2.2.8.2).
//! - Of dependences it says nothing. All of Linux counts on a load waiting for the value that its address is made of
//!   ("Linux kernel memory barriers", "Address-dependency barriers": only one architecture needs a barrier there).
//!
//! What follows, in the weakest reading:
//!
//! 1. Before the counter there is IBAR 0: RDTIME behind it is not even fetched before it is done. It waits for the
//!    loads before it (2.1.9). Should it wait for stores alone, a branch in front of it that depends on the last load
//!    makes it wait, since it is not executed before control is known to get there; or a DBAR does that completes the
//!    loads.
//! 2. Behind the counter, loads have addresses made from its value: see [`Dependence`]. A barrier alone will not do,
//!    since neither DBAR nor IBAR waits for RDTIME. Once a load has waited for the counter, a DBAR keeps others behind
//!    that load.
//! 3. An address or a branch does not count if it is the same whatever the register holds. That a processor waits for
//!    the operands of `xor` with itself, Arm's and RISC-V's manuals promise; this one does not.
//!
//! Loads from the function's own stack are not meant: nobody else stores there. Nor are those of the image's constants.

use super::encoding::{barrier, Decoded, Format};
use super::text;
use vdso_linker::arch::{ControlDependence, Dependence, Fault, LastLoad, OrderKind, Paths};
use vdso_linker::gate::Rule;

/// Before the counter.
const CONTROL: ControlDependence = ControlDependence {
    synchronises: |number| number == barrier::IBAR,
    barrier: "`ibar 0`",
    completes_loads: barrier::completes_loads,
};

/// Behind the counter.
const DEPENDENCE: Dependence = Dependence {
    results: 0x30,      // a0 and a1 (psABI, "Register Convention")
    system_call: 0xff0, // arguments in a0 to a6, the number in a7
    synchronises: |_| false,
    orders_loads: barrier::is_for_loads,
    name: |bit| text::register(bit).to_owned(),
};

const REMEDY: &str =
    "write load, branch that depends on it, `ibar 0`, `rdtime.d` with `$zero` as second register, and in the same `asm!` \
     block `srli.d` of the value by 63 and of that by 1; add this zero to the address of each later load, until a `dbar` \
     behind one of them; that comes before a call or the return";

pub(crate) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut facts = None;
    for counter in paths.instructions().filter(|it| matches!(it.order.kind, OrderKind::Counter { .. })) {
        let (last_load, live) = facts.get_or_insert_with(|| (LastLoad::new(paths), DEPENDENCE.liveness(paths)));
        let found = CONTROL.fault(paths, counter, false, last_load).into_iter();
        let found = found.chain(DEPENDENCE.fault(paths, counter, live));
        let fault = |what| (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY });
        faults.extend(found.map(fault));
    }
    faults
}

/// Whether what an instruction makes of its registers, a value or a direction, is the same whatever they hold: the
/// operations of which code makes a zero that looks dependent, and comparisons that have one outcome.
pub(crate) fn is_independent(decoded: &Decoded) -> bool {
    let (rd, rj, rk) = (decoded.rd(), decoded.rj(), decoded.rk());
    match decoded.encoding.mnemonic {
        "xor" | "sub.w" | "sub.d" | "slt" | "sltu" | "andn" | "orn" | "masknez" => rj == rk,
        "and" | "mul.w" | "mul.d" | "mulw.d.w" | "mulw.d.wu" | "mulh.w" | "mulh.wu" | "mulh.d" | "mulh.du"
        | "maskeqz" => rj == 0 || rk == 0,
        "andi" | "sltui" => decoded.immediate() == 0,
        "bltu" | "bgeu" => rj == rd || rd == 0,
        _ => decoded.format() == Format::Branch && rj == rd,
    }
}
