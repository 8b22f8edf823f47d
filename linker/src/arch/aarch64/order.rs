//! The order of counter reads on Arm.
//!
//! A read of CNTVCT_EL0 is an access to a system register, which barriers for memory do not order: "the value may be
//! read speculatively and out of order" (Arm ARM, D12.2.1), so that an ISB alone leaves it free to go ahead of an
//! earlier load. What the manual gives instead (D12.2, example D12-4) is load, branch that depends on it, ISB, counter;
//! and behind the counter, loads whose address depends on its value. CNTVCTSS_EL0 (FEAT_ECV) is not read
//! speculatively, and stands for ISB and counter.
//!
//! So, on each way that leads to a counter read:
//!
//! 1. behind the last load there is a conditional branch that depends on that load, and before it a DMB for loads, by which
//!    those before it are done when it begins (or there is a DSB behind it, which waits for all), and between that and the
//!    counter an ISB, unless the counter synchronises itself: see [`ControlDependency`];
//! 2. the loads behind it have addresses made from its value, and it is not stored before: see [`AddressDependency`].
//!
//! Loads from the function's own stack are not meant: nobody else stores there. Nor are those of constants in the image.

use super::decode::{barrier, system_register, FLAGS, MEMORY};
use crate::arch::{AddressDependency, ControlDependency, Fault, OrderKind, Paths};
use crate::gate::Rule;

/// Before the counter.
const CONTROL: ControlDependency = ControlDependency {
    synchronises: |barrier| barrier == barrier::ISB,
    barrier: "ISB",
    completes_loads: |number| number & barrier::DSB != 0 && barrier::is_for_loads(number),
    orders_loads: barrier::is_for_loads,
    load_barrier: "DMB ISHLD",
    memory: MEMORY,
};

/// Behind the counter.
const DEPENDENCE: AddressDependency = AddressDependency {
    results: 0x3,       // X0 and X1 (AAPCS64, section 6.9)
    system_call: 0x13f, // arguments in X0 to X5, the number in X8
    synchronises: CONTROL.synchronises,
    orders_loads: barrier::is_for_loads,
    memory: MEMORY,
    conditions: FLAGS,
    counters_in_order: true, // Arm ARM, "Synchronization requirements for AArch64 System registers"
    name,
};

/// What messages call a register.
fn name(bit: u32) -> String {
    match bit {
        0..=30 => format!("x{bit}"),
        31 => "sp".to_owned(),
        _ => "the flags".to_owned(),
    }
}

const REMEDY: &str = "read the counter by `vvar::arch`: DMB ISHLD, load, branch that depends on it, then ISB, MRS and `EOR \
                      zero, value, value` in one `asm!` block, and zero added to the address of each later load, until a \
                      DMB ISHLD behind one of them; that comes before a store of the value, a call or the return";

pub(super) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut facts = None;
    for counter in paths.instructions() {
        let OrderKind::Counter { register } = counter.order.kind else { continue };
        let (last_load, live) = facts.get_or_insert_with(|| (CONTROL.last_load(paths), DEPENDENCE.liveness(paths)));
        let synchronised = register == system_register::CNTVCTSS_EL0;
        let found = CONTROL.fault(paths, counter, synchronised, last_load).into_iter();
        let found = found.chain(DEPENDENCE.fault(paths, counter, live));
        let fault = |what| (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY });
        faults.extend(found.map(fault));
    }
    faults
}
