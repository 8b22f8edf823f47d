//! An instruction's text, as the GNU disassembler prints it: by the registers' ABI names, and by the assembler's own names
//! for what has one (unprivileged manual, chapter "RISC-V Assembly Programmer's Handbook", "pseudoinstructions").

use super::encoding::{csr, fence, Decoded, Format};

/// The registers by their names in the calling convention.
const REGISTERS: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2",
    "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// The name of a register.
pub(super) fn register(number: u32) -> &'static str {
    REGISTERS.get(number as usize).copied().unwrap_or("?")
}

/// The text of an instruction that lies at `address`.
pub(super) fn text(decoded: &Decoded, address: u64) -> String {
    pseudoinstruction(decoded, address).unwrap_or_else(|| plain(decoded, address))
}

fn target(decoded: &Decoded, address: u64) -> String {
    format!("{:#x}", address.wrapping_add_signed(decoded.immediate()))
}

fn plain(decoded: &Decoded, address: u64) -> String {
    let mnemonic = decoded.encoding.mnemonic;
    let (rd, rs1, rs2) = (register(decoded.rd()), register(decoded.rs1()), register(decoded.rs2()));
    let value = decoded.immediate();
    match decoded.encoding.format {
        Format::Upper => format!("{mnemonic} {rd}, {:#x}", value >> 12 & 0xf_ffff),
        Format::Jump => format!("{mnemonic} {rd}, {}", target(decoded, address)),
        Format::Branch => format!("{mnemonic} {rs1}, {rs2}, {}", target(decoded, address)),
        Format::JumpRegister | Format::Load => format!("{mnemonic} {rd}, {value}({rs1})"),
        Format::Store => format!("{mnemonic} {rs2}, {value}({rs1})"),
        Format::Immediate => format!("{mnemonic} {rd}, {rs1}, {value}"),
        Format::Shift | Format::ShiftWord => format!("{mnemonic} {rd}, {rs1}, {value:#x}"),
        Format::Register => format!("{mnemonic} {rd}, {rs1}, {rs2}"),
        Format::Fence => format!("{mnemonic} {}, {}", set(decoded.predecessors()), set(decoded.successors())),
        Format::LoadReserved => format!("{mnemonic}{} {rd}, ({rs1})", ordering(decoded)),
        Format::Atomic => format!("{mnemonic}{} {rd}, {rs2}, ({rs1})", ordering(decoded)),
        Format::Csr => format!("{mnemonic} {rd}, {:#x}, {rs1}", decoded.csr()),
        Format::CsrImmediate => format!("{mnemonic} {rd}, {:#x}, {value}", decoded.csr()),
        Format::Whole => mnemonic.to_owned(),
    }
}

fn ordering(decoded: &Decoded) -> &'static str {
    ["", ".rl", ".aq", ".aqrl"][decoded.acquire_release() as usize & 3]
}

/// What a FENCE is about: device input and output, memory reads and writes.
fn set(bits: u32) -> String {
    let names = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')].into_iter().filter(|(bit, _)| bits & bit != 0);
    let text: String = names.map(|(_, name)| name).collect();
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text
    }
}

fn pseudoinstruction(decoded: &Decoded, address: u64) -> Option<String> {
    let (to, a, b) = (decoded.rd(), decoded.rs1(), decoded.rs2());
    let (rd, rs1, rs2) = (register(to), register(a), register(b));
    let value = decoded.immediate();
    let target = || target(decoded, address);
    Some(match decoded.encoding.mnemonic {
        "addi" if to == 0 && a == 0 && value == 0 => "nop".to_owned(),
        "addi" if a == 0 => format!("li {rd}, {value}"),
        "addi" if value == 0 => format!("mv {rd}, {rs1}"),
        "add" if a == 0 => format!("mv {rd}, {rs2}"),
        "addiw" if value == 0 => format!("sext.w {rd}, {rs1}"),
        "xori" if value == -1 => format!("not {rd}, {rs1}"),
        "andi" if value == 255 => format!("zext.b {rd}, {rs1}"),
        "sltiu" if value == 1 => format!("seqz {rd}, {rs1}"),
        "sub" if a == 0 => format!("neg {rd}, {rs2}"),
        "subw" if a == 0 => format!("negw {rd}, {rs2}"),
        "sltu" if a == 0 => format!("snez {rd}, {rs2}"),
        "slt" if b == 0 => format!("sltz {rd}, {rs1}"),
        "slt" if a == 0 => format!("sgtz {rd}, {rs2}"),
        "jal" if to == 0 => format!("j {}", target()),
        "jal" if to == 1 => format!("jal {}", target()),
        "jalr" if to == 0 && a == 1 && value == 0 => "ret".to_owned(),
        "jalr" if to == 0 && value == 0 => format!("jr {rs1}"),
        "jalr" if to == 0 => format!("jr {value}({rs1})"),
        "jalr" if to == 1 && value == 0 => format!("jalr {rs1}"),
        "jalr" if to == 1 => format!("jalr {value}({rs1})"),
        "jalr" if value == 0 => format!("jalr {rd}, {rs1}"),
        "beq" if b == 0 => format!("beqz {rs1}, {}", target()),
        "bne" if b == 0 => format!("bnez {rs1}, {}", target()),
        "bge" if a == 0 => format!("blez {rs2}, {}", target()),
        "bge" if b == 0 => format!("bgez {rs1}, {}", target()),
        "blt" if b == 0 => format!("bltz {rs1}, {}", target()),
        "blt" if a == 0 => format!("bgtz {rs2}, {}", target()),
        "fence" if decoded.fence_mode() == fence::TSO => "fence.tso".to_owned(),
        "fence" if decoded.predecessors() == 1 && decoded.successors() == 0 => "pause".to_owned(),
        "fence" if decoded.predecessors() == 15 && decoded.successors() == 15 => "fence".to_owned(),
        "csrrs" if decoded.csr() == csr::TIME && a == 0 => format!("rdtime {rd}"),
        "csrrs" if a == 0 => format!("csrr {rd}, {:#x}", decoded.csr()),
        _ => return None,
    })
}
