//! An instruction's text in the manual's syntax, with the registers' names of the calling convention (psABI, "Register
//! Convention") and the assembler's own names for what has one, as LLVM's disassembler prints it.

use super::encoding::{Decoded, Format};

/// The registers by their names in the calling convention; the reserved one has none.
const REGISTERS: [&str; 32] = [
    "$zero", "$ra", "$tp", "$sp", "$a0", "$a1", "$a2", "$a3", "$a4", "$a5", "$a6", "$a7", "$t0", "$t1", "$t2", "$t3",
    "$t4", "$t5", "$t6", "$t7", "$t8", "$r21", "$fp", "$s0", "$s1", "$s2", "$s3", "$s4", "$s5", "$s6", "$s7", "$s8",
];

/// The name of a register.
pub(crate) fn register(number: u32) -> &'static str {
    REGISTERS.get(number as usize).copied().unwrap_or("?")
}

/// The text of an instruction that lies at `address`.
pub(crate) fn text(decoded: &Decoded, address: u64) -> String {
    pseudoinstruction(decoded).unwrap_or_else(|| plain(decoded, address))
}

fn pseudoinstruction(decoded: &Decoded) -> Option<String> {
    let (to, from) = (register(decoded.rd()), register(decoded.rj()));
    Some(match decoded.encoding.mnemonic {
        "andi" if decoded.rd() == 0 && decoded.rj() == 0 && decoded.immediate() == 0 => "nop".to_owned(),
        "or" if decoded.rk() == 0 => format!("move {to}, {from}"),
        "jirl" if decoded.rd() != 0 || decoded.immediate() != 0 => return None,
        "jirl" if decoded.rj() == super::RA => "ret".to_owned(),
        "jirl" => format!("jr {from}"),
        _ => return None,
    })
}

fn plain(decoded: &Decoded, address: u64) -> String {
    let mnemonic = decoded.encoding.mnemonic;
    let [rd, rj, rk] = [decoded.rd(), decoded.rj(), decoded.rk()].map(register);
    let (hint, value) = (decoded.rd(), decoded.immediate());
    let target = address.wrapping_add_signed(value);
    match decoded.format() {
        Format::Upper | Format::UpperInto => format!("{mnemonic} {rd}, {value}"),
        Format::Unary | Format::Counter | Format::Configuration | Format::LoadAcquire | Format::StoreRelease => {
            format!("{mnemonic} {rd}, {rj}")
        }
        Format::Register | Format::LoadIndexed | Format::StoreIndexed => format!("{mnemonic} {rd}, {rj}, {rk}"),
        Format::Scaled | Format::Bytes2 | Format::Bytes3 => format!("{mnemonic} {rd}, {rj}, {rk}, {value}"),
        Format::Insert5 | Format::Insert6 | Format::Extract5 | Format::Extract6 => {
            format!("{mnemonic} {rd}, {rj}, {}, {}", decoded.last(), decoded.first())
        }
        Format::Atomic => format!("{mnemonic} {rd}, {rk}, {rj}"),
        Format::Prefetch => format!("{mnemonic} {hint}, {rj}, {value}"),
        Format::PrefetchIndexed => format!("{mnemonic} {hint}, {rj}, {rk}"),
        Format::Branch => format!("{mnemonic} {rj}, {rd}, {target:#x}"),
        Format::BranchZero => format!("{mnemonic} {rj}, {target:#x}"),
        Format::Jump => format!("{mnemonic} {target:#x}"),
        Format::Code => format!("{mnemonic} {value}"),
        _ => format!("{mnemonic} {rd}, {rj}, {value}"),
    }
}
