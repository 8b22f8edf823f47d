use crate::{Machine, OwnRun};

machine_tests!(Machine {
    architecture: "riscv64",
    cpu: None,
    programs: &["glibc"],
    cpu_in_register: false,
    page_tables: 2,
    own: &[OwnRun { argument: "icache", vdso: true, checks: &["flush_icache: code that was just written"] }],
    frequency: "10.000000 MHz, as the device tree says",
});
