//! The registers that go into an instruction: those that it names, and among them those that make a difference.
//!
//! Code can make a zero, or a branch, that looks as if it depended on a register: `and` with `$zero`, `sltu` against it, `xor`
//! with itself. That a processor waits for such a register all the same, Arm's and RISC-V's manuals promise for some
//! instructions; this architecture's promises it for none. So a register counts if there are two values of it, whatever the
//! others hold, by which the result differs or the way that is taken, and it does not count otherwise. One that counts in error would
//! let a counter read pass that nothing orders; one that is left out in error would be taken for unused.
//!
//! It is each instruction by itself that is looked at: of two that leave nothing of a value only together, each depends on it.

use super::encoding::{Decoded, Format};
use vdso_linker::arch::Registers;

/// The set of one register; r0 is none.
pub(crate) fn register_set(register: u32) -> Registers {
    1 << register & !1
}

/// The registers that an instruction names to read them.
pub(crate) fn named(decoded: &Decoded) -> Registers {
    let [rd, rj, rk] = [decoded.rd(), decoded.rj(), decoded.rk()].map(register_set);
    match decoded.format() {
        Format::Upper | Format::Jump | Format::Code | Format::Counter => 0,
        Format::UpperInto => rd,
        Format::Unary | Format::Shift5 | Format::Shift6 | Format::Extract5 | Format::Extract6 => rj,
        Format::Signed12 | Format::Unsigned12 | Format::Signed16 | Format::Prefetch => rj,
        Format::Load12 | Format::Load14 | Format::LoadAcquire | Format::Configuration => rj,
        Format::BranchZero | Format::JumpRegister => rj,
        Format::Register | Format::Scaled | Format::Bytes2 | Format::Bytes3 => rj | rk,
        Format::LoadIndexed | Format::PrefetchIndexed => rj | rk,
        Format::Insert5 | Format::Insert6 | Format::Branch => rd | rj,
        Format::Store12 | Format::Store14 | Format::StoreConditional | Format::StoreRelease => rd | rj,
        Format::StoreIndexed | Format::Atomic => rd | rj | rk,
    }
}

/// Those of them by which its result differs, or the way that it takes.
pub(crate) fn effective(decoded: &Decoded) -> Registers {
    match decoded.format() {
        Format::Register if is_constant(decoded) => 0,
        Format::Branch | Format::BranchZero if is_decided(decoded) => 0,
        // Of the register that it copies bits into nothing is left; of the one behind whose last bytes it puts the others' first,
        // nothing is taken.
        Format::Insert5 if decoded.first() == 0 && decoded.last() == 31 => register_set(decoded.rj()),
        Format::Insert6 if decoded.first() == 0 && decoded.last() == 63 => register_set(decoded.rj()),
        Format::Bytes2 | Format::Bytes3 if decoded.immediate() == 0 => register_set(decoded.rk()),
        // No number without sign is less than 0.
        Format::Signed12 if decoded.is("sltui") && decoded.immediate() == 0 => 0,
        Format::Unsigned12 if decoded.is("andi") && decoded.immediate() == 0 => 0,
        _ => named(decoded),
    }
}

/// Whether what an instruction makes of rj and rk is the same whatever they hold, as one of them is r0 or both are one register.
fn is_constant(decoded: &Decoded) -> bool {
    let (rj, rk) = (decoded.rj(), decoded.rk());
    let (no_first, no_second, same) = (rj == 0, rk == 0, rj == rk);
    match decoded.encoding.mnemonic {
        "add.w" | "add.d" | "or" | "nor" => false,
        "sub.w" | "sub.d" | "xor" | "slt" => same,
        "sltu" | "orn" => no_second || same,
        "andn" | "masknez" => no_first || same,
        "sll.w" | "sll.d" | "srl.w" | "srl.d" | "sra.w" | "sra.d" | "rotr.w" | "rotr.d" => no_first,
        "and" | "maskeqz" => no_first || no_second,
        "mul.w" | "mul.d" | "mulh.w" | "mulh.wu" | "mulh.d" | "mulh.du" | "mulw.d.w" | "mulw.d.wu" => {
            no_first || no_second
        }
        // By 0 "the result can be any value" (2.2.1.13), so it may be the one that all others give.
        "div.w" | "div.wu" | "div.d" | "div.du" | "mod.w" | "mod.wu" | "mod.d" | "mod.du" => {
            no_first || no_second || same
        }
        _ => false,
    }
}

/// Whether what comes behind a branch is the same whatever its registers hold: they are compared with themselves, with 0 where
/// that has one outcome, or the next instruction comes either way, and the processor need not know which.
fn is_decided(decoded: &Decoded) -> bool {
    let (rj, rd) = (decoded.rj(), decoded.rd());
    let to_the_next = decoded.immediate() == 4;
    let compares_itself = decoded.format() == Format::Branch && rj == rd;
    let without_sign = decoded.is("bltu") || decoded.is("bgeu");
    to_the_next || compares_itself || without_sign && rd == 0
}
