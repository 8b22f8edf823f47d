//! The order of counter reads on LoongArch.
//!
//! What the manual says:
//!
//! - RDTIME reads a counter (2.2.10.4). It is not among the accesses to memory, nor among the synchronisations.
//! - DBAR, IBAR and some atomic operations are synchronisations. They are executed in program order, each when the one
//!   before is done; each waits for the accesses to memory before it, and the accesses behind it wait for it (2.1.9).
//!   DBAR 0 is for loads and stores only (2.2.8.1).
//! - The fetch of instructions behind IBAR 0 observes all stores before it (2.2.8.2).
//! - Of dependences it says nothing. All of Linux counts on a load waiting for the value that its address is made of
//!   ("Linux kernel memory barriers", "Address-dependency barriers": only one architecture needs a barrier there).
//!
//! By these words alone nothing orders RDTIME. What is assumed beyond them:
//!
//! - **Nothing behind IBAR 0 is fetched before it is done.** It is the plain way to what 2.2.8.2 demands, as any store
//!   before it may have been to the next instruction; but that section says what the fetch observes, not when it takes
//!   place, and a processor that knows otherwise that no store was to code could go without.
//! - **IBAR 0 is not done before it is known that control gets there.** So what waits for it waits for the branches ahead
//!   of it that have not been decided.
//!
//! What follows:
//!
//! 1. Before the counter there is IBAR 0: by the first assumption RDTIME behind it is executed when it is done. By 2.1.9 that
//!    is when the loads before it are done. Since 2.2.8.2 has use for the stores only, the loads are asked for once
//!    more: a branch in front of it depends on the last load, and by the second assumption it waits for that branch, and a
//!    DBAR before that load lets it begin only when the others are done; or a DBAR behind them completes the loads, and it
//!    waits for that by 2.1.9.
//! 2. Behind the counter, loads have addresses made from its value: see [`AddressDependency`]. A barrier alone will not do,
//!    since neither DBAR nor IBAR waits for RDTIME. Once a load has waited for the counter, a DBAR keeps others behind
//!    that load.
//! 3. An address or a branch does not count if it is the same whatever the register holds: see `operands`.
//!
//! Loads from the function's own stack are not meant: nobody else stores there. Nor are those of the image's constants.

use super::{barrier, text};
use vdso_linker::arch::{AddressDependency, ControlDependency, Fault, OrderKind, Paths};
use vdso_linker::gate::Rule;

/// Before the counter.
const CONTROL: ControlDependency = ControlDependency {
    synchronises: |number| number == barrier::IBAR,
    barrier: "`ibar 0`",
    completes_loads: barrier::completes_loads,
    orders_loads: barrier::is_for_loads,
    load_barrier: "`dbar` for loads",
    memory: 0, // stores write no register
};

/// Behind the counter.
const DEPENDENCE: AddressDependency = AddressDependency {
    results: 0x30,      // a0 and a1 (psABI, "Register Convention")
    system_call: 0xff0, // arguments in a0 to a6, the number in a7
    synchronises: |_| false,
    orders_loads: barrier::is_for_loads,
    memory: CONTROL.memory,
    conditions: 0, // there are no flags
    counters_in_order: false,
    name: |bit| text::register(bit).to_owned(),
};

const REMEDY: &str =
    "write `dbar 20`, load, branch that depends on it, `ibar 0`, `rdtime.d` with `$zero` as second register, and in the same `asm!` \
     block `srli.d` of the value by 63 and of that by 1; add this zero to the address of each later load, until a `dbar` \
     behind one of them; that comes before a store of the value to the stack, a call or the return";

pub(crate) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut facts = None;
    for counter in paths.instructions().filter(|it| matches!(it.order.kind, OrderKind::Counter { .. })) {
        let (last_load, live) = facts.get_or_insert_with(|| (CONTROL.last_load(paths), DEPENDENCE.liveness(paths)));
        let found = CONTROL.fault(paths, counter, false, last_load).into_iter();
        let found = found.chain(DEPENDENCE.fault(paths, counter, live));
        let fault = |what| (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY });
        faults.extend(found.map(fault));
    }
    faults
}
