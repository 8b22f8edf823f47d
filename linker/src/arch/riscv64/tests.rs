//! The decoder against fixed encodings, and against the GNU disassembler.

use super::{decode::decode, encoding, order};
use crate::arch::shipped::{self, Shipped};
use crate::arch::{Arch, Fault, Flow, Instruction, Instructions, OrderKind, Paths, Surroundings};
use crate::gate::Rule;
use std::path::Path;
use vdso_tests::need;
use vdso_tests::random::Random;

const ADDRESS: u64 = 0x1000;

fn surroundings() -> Surroundings {
    Surroundings { image: 0..0x4000, vvar: -0x1000..0 }
}

fn decoded(halves: &[u16]) -> Vec<Instruction> {
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    decode(&bytes, ADDRESS, &surroundings())
}

/// 32-bit instructions.
fn words(words: &[u32]) -> Vec<Instruction> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    decode(&bytes, ADDRESS, &surroundings())
}

fn rules(instruction: &Instruction) -> Vec<Rule> {
    instruction.faults.iter().map(|fault| fault.rule).collect()
}

/// Encodings from the manual's tables, by hand.
#[test]
fn fixed_encodings() {
    let table: &[(u32, &str, Flow, &[Rule])] = &[
        (0x0000_0013, "nop", Flow::Next, &[]),
        (0x08b0_0893, "li a7, 139", Flow::Next, &[]),
        (0x0000_0073, "ecall", Flow::Next, &[]),
        (0x0010_0073, "ebreak", Flow::Stop, &[]),
        (0xc000_1073, "csrrw zero, 0xc00, zero", Flow::Stop, &[]),
        (0xc010_2573, "rdtime a0", Flow::Next, &[]),
        (0xc000_2573, "csrr a0, 0xc00", Flow::Next, &[Rule::SystemInstruction]),
        (0xc01f_d573, "csrrwi a0, 0xc01, 31", Flow::Next, &[Rule::SystemInstruction]),
        (0x0020_2573, "csrr a0, 0x2", Flow::Next, &[Rule::VectorInstruction]),
        (0x3020_0073, ".insn 4, 0x30200073", Flow::Next, &[Rule::SystemInstruction]), // mret
        (0x1050_0073, ".insn 4, 0x10500073", Flow::Next, &[Rule::SystemInstruction]), // wfi
        (0x0280_000f, "fence r, i", Flow::Next, &[]),
        (0x0820_000f, "fence i, r", Flow::Next, &[]),
        (0x0ff0_000f, "fence", Flow::Next, &[]),
        (0x8330_000f, "fence.tso", Flow::Next, &[]),
        (0x0000_100f, "fence.i", Flow::Next, &[Rule::SystemInstruction]),
        (0x0000_8067, "ret", Flow::Return, &[]),
        (0x0000_8367, "jalr t1, ra", Flow::Next, &[Rule::IndirectBranch]),
        (0x0005_0067, "jr a0", Flow::Stop, &[Rule::IndirectBranch]),
        (0x0005_00e7, "jalr a0", Flow::Next, &[Rule::IndirectBranch]),
        (0x0080_006f, "j 0x1008", Flow::Jump(0x1008), &[]),
        (0xff9f_f0ef, "jal 0xff8", Flow::Call(0xff8), &[]),
        (0x0080_02ef, "jal t0, 0x1008", Flow::Call(0x1008), &[Rule::IndirectBranch]),
        (0xfeb5_0ee3, "beq a0, a1, 0xffc", Flow::Branch(0xffc), &[]),
        (0x0005_4463, "bltz a0, 0x1008", Flow::Branch(0x1008), &[]),
        (0x0005_3507, ".insn 4, 0x00053507", Flow::Next, &[Rule::VectorInstruction]), // fld
        (0x02b5_7553, ".insn 4, 0x02b57553", Flow::Next, &[Rule::VectorInstruction]), // fadd.d
        (0x0205_6507, ".insn 4, 0x02056507", Flow::Next, &[Rule::VectorInstruction]), // vle32.v
        (0x20b5_2533, ".insn 4, 0x20b52533", Flow::Next, &[Rule::CpuFeature]),        // sh1add
        (0x00b6_352f, "amoadd.d a0, a1, (a2)", Flow::Next, &[Rule::ReadOnlyStore]),
        (0x1006_352f, "lr.d a0, (a2)", Flow::Next, &[]),
        (0x0002_3503, "ld a0, 0(tp)", Flow::Next, &[Rule::SegmentAccess]),
        (0x0100_3503, "ld a0, 16(zero)", Flow::Next, &[Rule::AbsoluteAddress]),
        (0xffff_ffff, ".byte 0xff, 0xff, 0xff, 0xff", Flow::Stop, &[Rule::Undecodable]),
        (0x0000_2063, ".byte 0x63, 0x20, 0x00, 0x00", Flow::Stop, &[Rule::Undecodable]), // no such branch
    ];
    for (word, text, flow, faults) in table {
        let instructions = words(&[*word]);
        let [instruction] = &instructions[..] else { panic!("{word:#x}: {instructions:?}") };
        assert_eq!((&instruction.text[..], instruction.flow), (*text, *flow), "{word:#010x}");
        assert_eq!(rules(instruction), *faults, "{word:#010x} {text}");
    }
}

#[test]
fn compressed_encodings() {
    let table: &[(u16, &str, Flow)] = &[
        (0x0001, "nop", Flow::Next),
        (0x8082, "ret", Flow::Return),
        (0x1141, "addi sp, sp, -16", Flow::Next),
        (0xe406, "sd ra, 8(sp)", Flow::Next),
        (0x60a2, "ld ra, 8(sp)", Flow::Next),
        (0x0141, "addi sp, sp, 16", Flow::Next),
        (0x0808, "addi a0, sp, 16", Flow::Next),
        (0x4501, "li a0, 0", Flow::Next),
        (0x852e, "mv a0, a1", Flow::Next),
        (0x7179, "addi sp, sp, -48", Flow::Next),
        (0xa009, "j 0x1002", Flow::Jump(0x1002)),
        (0xbfdd, "j 0xff6", Flow::Jump(0xff6)),
        (0xc119, "beqz a0, 0x1006", Flow::Branch(0x1006)),
        (0x9002, "ebreak", Flow::Stop),
        (0x0000, "unimp", Flow::Stop),
    ];
    for (half, text, flow) in table {
        let instructions = decoded(&[*half]);
        let [instruction] = &instructions[..] else { panic!("{half:#x}: {instructions:?}") };
        assert_eq!((&instruction.text[..], instruction.flow, instruction.length), (*text, *flow, 2), "{half:#06x}");
        assert!(instruction.faults.is_empty(), "{text}: {instruction:?}");
    }
    assert_eq!(rules(&decoded(&[0x8502])[0]), [Rule::IndirectBranch], "jr a0");
    assert_eq!(rules(&decoded(&[0x2108])[0]), [Rule::VectorInstruction], "fld fa0, 0(a0)");
}

#[test]
fn the_stack() {
    let instructions = decoded(&[0x1141, 0xe406, 0x60a2, 0x0141]);
    let [push, save, restore, pop] = &instructions[..] else { panic!("{instructions:?}") };
    assert_eq!((push.stack.adjust, pop.stack.adjust), (Some(-16), Some(16)));
    let [slot] = &save.stack.stores[..] else { panic!("{save:?}") };
    assert_eq!((slot.offset, slot.size, slot.register), (8, 8, Some(1)));
    assert_eq!((&restore.stack.loads[..], restore.stack.writes.len()), (&[(1, 8)][..], 0));
    // mv sp, a0; addi s0, sp, -32; sw s0, -4(sp); lw s0, 8(sp); jal ra, .
    let instructions = words(&[0x0005_0113, 0xfe01_0413, 0xfe81_2e23, 0x0081_2403, 0x0000_00ef]);
    let [moved, local, half, partly, call] = &instructions[..] else { panic!("{instructions:?}") };
    assert_eq!(moved.stack.adjust, None);
    assert_eq!((local.stack.lowest, &local.stack.writes[..]), (-32, &[8][..]));
    assert_eq!((half.stack.lowest, half.stack.stores[0].size, half.stack.stores[0].register), (-4, 4, None));
    assert_eq!((partly.stack.loads.len(), &partly.stack.writes[..]), (0, &[8][..]));
    assert_eq!(&call.stack.writes[..], [1]);
}

#[test]
fn calls_and_addresses_in_two_instructions() {
    // auipc ra, 0; jalr 16(ra); auipc t1, 0; jr -8(t1)
    let instructions = words(&[0x0000_0097, 0x0100_80e7, 0x0000_0317, 0xff83_0067]);
    assert_eq!(instructions[1].flow, Flow::Call(0x1010));
    assert_eq!(instructions[3].flow, Flow::Jump(0x1000));
    assert!(instructions.iter().all(|instruction| instruction.faults.is_empty()), "{instructions:?}");
    assert!(instructions[1].branch_fault.is_some() && instructions[3].branch_fault.is_some());
    // Something between them, or another register.
    assert_eq!(rules(&words(&[0x0000_0097, 0x0000_0013, 0x0100_80e7])[2]), [Rule::IndirectBranch]);
    assert_eq!(rules(&words(&[0x0000_0097, 0x0103_00e7])[1]), [Rule::IndirectBranch]);
    // auipc a0, -2 leads to the page, -1 and 1 to the image, 4 behind it: ld, sd, and addi with both.
    let pair = |upper: u32, lower: u32| rules(&words(&[0x0000_0517 | upper << 12, lower])[1]);
    assert_eq!(pair(0xffffe, 0x0005_3503), []);
    assert_eq!(pair(0xffffe, 0x00a5_3023), [Rule::ReadOnlyStore]);
    assert_eq!(pair(0xffffd, 0x0005_3503), [Rule::DataAddress]);
    assert_eq!(pair(0xffffd, 0x0105_0513), [Rule::DataAddress]);
    assert_eq!(pair(4, 0x0005_3503), [Rule::DataAddress]);
    // auipc a0, -2; addi a0, a0, 16; sd a0, 0(a0)
    assert_eq!(rules(&words(&[0xffff_e517, 0x0105_0513, 0x00a5_3023])[2]), [Rule::ReadOnlyStore]);
    // lui a0, 1; ld a0, 0(a0)
    assert_eq!(rules(&words(&[0x0000_1537, 0x0005_3503])[1]), [Rule::AbsoluteAddress]);
}

#[test]
fn bytes_that_end_within_an_instruction() {
    for bytes in [&[0x13][..], &[0x13, 0, 0], &[0x13, 0, 0, 0, 0x13, 0, 0]] {
        let instructions = decode(bytes, ADDRESS, &surroundings());
        let last = instructions.last().expect("an instruction");
        assert_eq!((rules(last), last.flow), (vec![Rule::Undecodable], Flow::Stop));
        assert_eq!(last.end(), ADDRESS + bytes.len() as u64);
    }
}

fn order_faults(code: &[u32]) -> Vec<Fault> {
    let instructions: Instructions = words(code).into_iter().map(|it| (it.address, it)).collect();
    let paths = Paths::new(&instructions, [ADDRESS].into_iter(), &super::ARCHITECTURE.convention);
    order::check(&paths).into_iter().map(|(_, fault)| fault).collect()
}

#[test]
fn the_order_of_counter_reads() {
    const FENCE_R_I: u32 = 0x0280_000f;
    const FENCE_I_R: u32 = 0x0820_000f;
    const FENCE: u32 = 0x0ff0_000f;
    const FENCE_TSO: u32 = 0x8330_000f;
    const RDTIME: u32 = 0xc010_2573;
    const LOAD: u32 = 0x0005_b603; // ld a2, 0(a1)
    const FROM_STACK: u32 = 0x0081_3603; // ld a2, 8(sp)
    const NOP: u32 = 0x13;
    const RET: u32 = 0x8067;
    const SKIP: u32 = 0x0005_0463; // beqz a0, over the next one
    let table: &[(&[u32], usize)] = &[
        (&[LOAD, FENCE_R_I, RDTIME, FENCE_I_R, LOAD, RET], 0),
        (&[FENCE, NOP, RDTIME, NOP, FENCE, RET], 0),
        (&[FENCE_R_I, FROM_STACK, RDTIME, FROM_STACK, FENCE_I_R, LOAD, RET], 0),
        (&[RDTIME, FENCE_I_R, RET], 1),
        (&[FENCE_R_I, RDTIME, RET], 1),
        (&[RDTIME, RET], 2),
        (&[FENCE_R_I, LOAD, RDTIME, FENCE_I_R, RET], 1),
        (&[FENCE_R_I, RDTIME, LOAD, FENCE_I_R, RET], 1),
        (&[FENCE_I_R, RDTIME, FENCE_R_I, RET], 2),
        (&[FENCE_TSO, RDTIME, FENCE_TSO, RET], 2),
        (&[SKIP, FENCE_R_I, RDTIME, FENCE_I_R, RET], 1),
        (&[FENCE_R_I, RDTIME, SKIP, FENCE_I_R, RET], 1),
        (&[FENCE_R_I, 0x73, RDTIME, FENCE_I_R, RET], 1),
        (&[LOAD, RET], 0),
    ];
    for (code, faults) in table {
        let found = order_faults(code);
        assert_eq!(found.len(), *faults, "{code:x?}: {found:?}");
        assert!(found.iter().all(|fault| fault.rule == Rule::UnorderedCounter));
    }
}

/// Words that are the same in every run.
fn random_words(count: usize) -> Vec<u32> {
    let mut random = Random::new(1);
    let mut next = || random.number() as u32;
    // 32-bit encodings, the longer ones left out; in every second one those bits are zero that most operations leave so.
    let words = (0..count).map(|index| next() & if index % 2 == 0 { 0x41ff_ffff } else { u32::MAX } | 3);
    words.filter(|word| word & 0x1f != 0x1f).collect()
}

/// What the GNU disassembler says of code at address 0: the text of each unit of four bytes.
fn disassembled(objdump: &Path, units: &[u32]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("code");
    std::fs::write(&file, units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>()).expect("a file");
    let mut texts = vec![String::new(); units.len()];
    for (address, text) in shipped::disassembled(objdump, &["-D", "-b", "binary", "-m", "riscv:rv64"], &file) {
        if address % 4 == 0 {
            let text = text.split(" #").next().unwrap_or_default();
            texts[address as usize / 4] = text.trim().replace('\t', " ").replace(',', ", ");
        }
    }
    texts
}

/// What the disassembler calls otherwise than we do: operations with a constant (older releases leave the `i` out), and
/// `add` with zero.
fn ours(theirs: &str) -> String {
    let (name, operands) = theirs.split_once(' ').unwrap_or((theirs, ""));
    let last = operands.rsplit(", ").next().unwrap_or_default();
    let constant = last.starts_with("0x") || last.parse::<i32>().is_ok();
    match name {
        "add" | "and" | "or" | "xor" | "sll" | "srl" | "sra" | "slt" if constant => format!("{name}i {operands}"),
        "addw" | "sllw" | "srlw" | "sraw" if constant => format!("{}iw {operands}", &name[..3]),
        "sltu" if constant => format!("sltiu {operands}"),
        "add" if operands.contains(", zero, ") => format!("mv {}", operands.replace("zero, ", "")),
        _ => theirs.to_owned(),
    }
}

/// Whether the disassembler names an instruction that is none of RV64IMAC and Zicsr: no instruction, a compressed hint,
/// floating point, or the kernel's.
fn is_foreign(theirs: &str) -> bool {
    let name = theirs.split(' ').next().unwrap_or_default();
    let floating_point = name.starts_with('f') && !name.starts_with("fence");
    let kernel = ["uret", "sret", "mret", "dret", "wfi", "sfence.vma", "sfence.vm"].contains(&name);
    let hint = name.starts_with("c.") || name == "add" && theirs.ends_with(", 0");
    theirs.starts_with('.') || hint || floating_point || kernel
}

/// Control and status registers have names, of which ours knows one; and their own pseudoinstructions.
fn is_csr(theirs: &str) -> bool {
    ["csr", "fr", "fs", "rd", "unimp"].iter().any(|name| theirs.starts_with(name))
}

/// Holds each unit, of which the first `length` bytes are an instruction, against the disassembler.
fn compare(objdump: &Path, units: &[u32], length: usize) {
    let theirs = disassembled(objdump, units);
    let mut wrong = Vec::new();
    let mut same = 0;
    for (index, (unit, theirs)) in units.iter().zip(&theirs).enumerate() {
        let instruction = &decode(&unit.to_le_bytes()[..length], index as u64 * 4, &surroundings())[0];
        let text = &instruction.text;
        let agrees = match text.starts_with('.') {
            true => is_foreign(theirs),
            false => *text == ours(theirs) || text.starts_with("csr") && is_csr(theirs),
        };
        same += usize::from(*text == ours(theirs));
        if !agrees {
            wrong.push(format!("{unit:#010x}: {text} | {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), units.len(), wrong[..wrong.len().min(60)].join("\n"));
    assert!(same * 8 > units.len(), "{same} known instructions among {}", units.len());
}

#[test]
fn words_as_the_gnu_disassembler_reads_them() {
    let objdump = need!("riscv64-linux-gnu-objdump", "binutils-riscv64-linux-gnu");
    compare(&objdump, &random_words(200_000), 4);
}

#[test]
fn halfwords_as_the_gnu_disassembler_reads_them() {
    let objdump = need!("riscv64-linux-gnu-objdump", "binutils-riscv64-linux-gnu");
    let nop = 0x0001_0000;
    let units: Vec<u32> = (0..=u16::MAX).filter(|half| half & 3 != 3).map(|half| nop | u32::from(half)).collect();
    compare(&objdump, &units, 2);
}

/// An address of the image as the disassembler writes it: `752 <symbol+0xd2>`.
fn symbolic(operand: &str) -> Option<u64> {
    let (address, symbol) = operand.trim().split_once(' ')?;
    symbol.starts_with('<').then(|| u64::from_str_radix(address, 16).ok()).flatten()
}

/// The whole image: where each instruction is, what it is, and where it leads.
#[test]
fn the_image_as_the_gnu_disassembler_reads_it() {
    let objdump = need!("riscv64-linux-gnu-objdump", "binutils-riscv64-linux-gnu");
    let Shipped { file, code, address } = Shipped::of(Arch::RISCV64);
    let image: Instructions = decode(&code, address, &surroundings()).into_iter().map(|it| (it.address, it)).collect();
    let mut count = 0;
    for (address, line) in shipped::disassembled(&objdump, &["-d", "-z"], &file) {
        let instruction = image.get(&address).unwrap_or_else(|| panic!("{line}: in the middle of one of ours"));
        // A comment names the target of the two halves together.
        let (theirs, comment) = line.split_once(" #").unwrap_or((&line, ""));
        let theirs = theirs.replace('\t', " ").replace(',', ", ");
        let (operands, last) =
            theirs.rsplit_once(' ').filter(|(_, last)| last.starts_with('<')).unwrap_or((&theirs, ""));
        let (operands, target) = match operands.rsplit_once(' ') {
            Some((operands, address)) if !last.is_empty() => (operands, symbolic(&format!("{address} {last}"))),
            _ => (operands, None),
        };
        let expected = target.map_or_else(|| ours(operands), |target| format!("{operands} {target:#x}"));
        assert_eq!(instruction.text, expected, "{line}");
        if let Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) = instruction.flow {
            assert_eq!(target.or_else(|| symbolic(comment)), Some(to), "{line}");
        }
        count += 1;
    }
    assert_eq!(count, image.len());
    assert!(count > 200, "{count} instructions");
}

#[test]
fn every_order_kind_is_told() {
    let kinds: Vec<OrderKind> =
        words(&[0xc010_2573, 0x0280_000f, 0x0005_b603, 0x73]).iter().map(|it| it.order.kind).collect();
    let expected = [
        OrderKind::Counter { register: encoding::csr::TIME },
        OrderKind::Barrier(order::number(encoding::fence::READ, encoding::fence::INPUT)),
        OrderKind::Load { address: 1 << 11 },
        OrderKind::SystemCall,
    ];
    assert_eq!(kinds, expected);
}
