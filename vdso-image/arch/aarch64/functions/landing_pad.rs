//! Entries with a landing pad: where a page is guarded, an indirect jump or call must meet a `bti` (Arm ARM D8.4.6,
//! FEAT_BTI), and every call into the image is an indirect one.
//!
//! The compiler puts landing pads into all functions or none, by an option that is not stable. So the pad stands in
//! assembly, and the function behind it, in the same section: the assembly of a file goes before its functions, and
//! both are aligned to one instruction from the pad on. Control runs from the pad into the function, at no cost but
//! the pad's, and the exported symbol covers both, by a size that is computed behind the section's end. If a compiler
//! ever put them in another order, control would leave the code behind the pad, which the gate refuses.

/// Exports generic functions by the names that aarch64's clients look up.
macro_rules! export {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty = $function:path;)*) => {$(
        core::arch::global_asm!(
            concat!(".pushsection .text.", stringify!($name), ", \"ax\", @progbits"),
            ".balign 16",
            concat!(".globl ", stringify!($name)),
            concat!(".type ", stringify!($name), ", @function"),
            concat!(stringify!($name), ":"),
            ".cfi_startproc",
            "bti c",
            ".cfi_endproc",
            ".subsection 1",
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            ".popsection",
        );

        const _: () = {
            #[link_section = concat!(".text.", stringify!($name))]
            #[export_name = concat!(stringify!($name), ".body")]
            unsafe extern "C" fn body($($argument: $type),*) -> $result {
                // SAFETY: the caller's promise.
                unsafe { $function($($argument),*) }
            }
        };
    )*};
}
pub(super) use export;
