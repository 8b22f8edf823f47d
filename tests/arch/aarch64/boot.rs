use crate::{Machine, OwnRun};

const MAX: Machine = Machine {
    architecture: "aarch64",
    cpu: None,
    programs: &["glibc", "glibc-pie"],
    cpu_in_register: false,
    page_tables: 3,
    own: &[OwnRun {
        argument: "landing-pads",
        vdso: true,
        checks: &["landing pads: 3 functions begin", "calls past a landing pad: SIGILL"],
    }],
    frequency: "62.500000 MHz",
};

machine_tests!(MAX);

/// The same kernel on a processor without landing pads and FEAT_ECV, whose counter is slower.
mod cortex_a72 {
    use super::{Machine, OwnRun, MAX};

    machine_tests!(Machine {
        cpu: Some("cortex-a72,cntfrq=25000000"),
        own: &[OwnRun {
            argument: "landing-pads",
            vdso: true,
            checks: &["landing pads: 3 functions begin", "calls past a landing pad: this processor"],
        }],
        frequency: "25.000000 MHz",
        ..MAX
    });
}
