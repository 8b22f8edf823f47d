//! memcpy and its like, which the compiler calls by name. `core` of a bare target from rustup brings them, weak; one that was
//! built without them does not.

core::arch::global_asm!(include_str!("builtins.s"));
