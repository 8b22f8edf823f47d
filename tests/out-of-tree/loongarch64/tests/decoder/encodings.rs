//! Fixed encodings, from the manual's appendix B: text, flow, faults, stack, addresses.

use super::{decoded, one, rules, surroundings, ADDRESS};
use vdso_linker::arch::{Flow, Instruction, OrderKind};
use vdso_linker::gate::Rule;
use vdso_loongarch64::ARCHITECTURE;

#[test]
fn texts_flows_and_faults() {
    let table: &[(u32, &str, Flow, &[Rule])] = &[
        (0x0340_0000, "nop", Flow::Next, &[]),
        (0x002a_0000, "break 0", Flow::Stop, &[]),
        (0x002a_0007, "break 7", Flow::Stop, &[]),
        (0x002b_0000, "syscall 0", Flow::Next, &[]),
        (0x0382_2c0b, "ori $a7, $zero, 139", Flow::Next, &[]),
        (0x0015_00a4, "move $a0, $a1", Flow::Next, &[]),
        (0x02ff_0063, "addi.d $sp, $sp, -64", Flow::Next, &[]),
        (0x29c0_e061, "st.d $ra, $sp, 56", Flow::Next, &[]),
        (0x28c0_e061, "ld.d $ra, $sp, 56", Flow::Next, &[]),
        (0x2700_3076, "stptr.d $fp, $sp, 48", Flow::Next, &[]),
        (0x2600_3076, "ldptr.d $fp, $sp, 48", Flow::Next, &[]),
        (0x1400_25a4, "lu12i.w $a0, 301", Flow::Next, &[]),
        (0x17ff_ffe4, "lu32i.d $a0, -1", Flow::Next, &[]),
        (0x0310_0c84, "lu52i.d $a0, $a0, 1027", Flow::Next, &[]),
        (0x002c_1086, "alsl.d $a2, $a0, $a0, 1", Flow::Next, &[]),
        (0x000f_98a4, "bytepick.d $a0, $a1, $a2, 7", Flow::Next, &[]),
        (0x00fe_04a4, "bstrpick.d $a0, $a1, 62, 1", Flow::Next, &[]),
        (0x006f_20a4, "bstrins.w $a0, $a1, 15, 8", Flow::Next, &[]),
        (0x001e_dec7, "mulh.du $a3, $fp, $s0", Flow::Next, &[]),
        (0x001f_98a4, "mulw.d.wu $a0, $a1, $a2", Flow::Next, &[]),
        (0x0023_18a4, "div.du $a0, $a1, $a2", Flow::Next, &[]),
        (0x0000_3ca4, "revb.d $a0, $a1", Flow::Next, &[]),
        (0x0013_98a4, "masknez $a0, $a1, $a2", Flow::Next, &[]),
        (0x0041_fca5, "slli.d $a1, $a1, 63", Flow::Next, &[]),
        (0x1800_0044, "pcaddi $a0, 2", Flow::Next, &[]),
        (0x3828_14e5, "ldx.wu $a1, $a3, $a1", Flow::Next, &[]),
        (0x3810_18a4, "stx.b $a0, $a1, $a2", Flow::Next, &[]),
        (0x2ac1_00a0, "preld 0, $a1, 64", Flow::Next, &[]),
        (0x4c00_0020, "ret", Flow::Return, &[]),
        (0x4c00_00a0, "jr $a1", Flow::Stop, &[Rule::IndirectBranch]),
        (0x4c00_0420, "jirl $zero, $ra, 4", Flow::Stop, &[Rule::IndirectBranch]),
        (0x4c00_08a1, "jirl $ra, $a1, 8", Flow::Next, &[Rule::IndirectBranch]),
        (0x5000_0800, "b 0x1008", Flow::Jump(0x1008), &[]),
        (0x57ff_fbff, "bl 0xff8", Flow::Call(0xff8), &[]),
        (0x5bff_fc85, "beq $a0, $a1, 0xffc", Flow::Branch(0xffc), &[]),
        (0x6c00_0885, "bgeu $a0, $a1, 0x1008", Flow::Branch(0x1008), &[]),
        (0x4400_0880, "bnez $a0, 0x1008", Flow::Branch(0x1008), &[]),
        (0x43ff_f89f, "beqz $a0, 0xff8", Flow::Branch(0xff8), &[]),
        (0x3872_0014, "dbar 20", Flow::Next, &[]),
        (0x3872_8000, "ibar 0", Flow::Next, &[]),
        (0x0000_6804, "rdtime.d $a0, $zero", Flow::Next, &[]),
        (0x0000_68a4, "rdtime.d $a0, $a1", Flow::Next, &[Rule::UnorderedCounter]),
        (0x0000_6ca4, "cpucfg $a0, $a1", Flow::Next, &[Rule::SystemInstruction]),
        (0x0400_8004, ".word 0x04008004", Flow::Next, &[Rule::SystemInstruction]), // csrrd
        (0x0648_08a4, ".word 0x064808a4", Flow::Next, &[Rule::SystemInstruction]), // iocsrrd.w
        (0x0648_3800, ".word 0x06483800", Flow::Next, &[Rule::SystemInstruction]), // ertn
        (0x0600_0080, ".word 0x06000080", Flow::Next, &[Rule::SystemInstruction]), // cacop
        (0x002a_8000, ".word 0x002a8000", Flow::Next, &[Rule::SystemInstruction]), // dbcl
        (0x2200_00a4, "ll.d $a0, $a1, 0", Flow::Next, &[]),
        (0x3857_80a4, "llacq.w $a0, $a1", Flow::Next, &[Rule::CpuFeature]),
        (0x3857_88a4, "llacq.d $a0, $a1", Flow::Next, &[Rule::CpuFeature]),
        (0x3857_8ca4, "screl.d $a0, $a1", Flow::Next, &[Rule::ReadOnlyStore]),
        (0x2300_00a4, "sc.d $a0, $a1, 0", Flow::Next, &[Rule::ReadOnlyStore]),
        (0x3860_94c4, "amswap.d $a0, $a1, $a2", Flow::Next, &[Rule::ReadOnlyStore]),
        (0x386a_14c4, "amadd_db.w $a0, $a1, $a2", Flow::Next, &[Rule::ReadOnlyStore]),
        (0x0025_98a4, ".word 0x002598a4", Flow::Next, &[Rule::CpuFeature]), // crc.w.d.w
        (0x2b80_0080, ".word 0x2b800080", Flow::Next, &[Rule::VectorInstruction]), // fld.d
        (0x0101_0000, ".word 0x01010000", Flow::Next, &[Rule::VectorInstruction]), // fadd.d
        (0x0114_a880, ".word 0x0114a880", Flow::Next, &[Rule::VectorInstruction]), // movgr2fr.d
        (0x700b_8000, ".word 0x700b8000", Flow::Next, &[Rule::VectorInstruction]), // vadd.d
        (0x2c00_0080, ".word 0x2c000080", Flow::Next, &[Rule::VectorInstruction]), // vld
        (0x3834_1480, ".word 0x38341480", Flow::Next, &[Rule::VectorInstruction]), // fldx.d
        (0x4800_0800, ".word 0x48000800", Flow::Next, &[Rule::VectorInstruction]), // bceqz
        (0x28c0_0044, "ld.d $a0, $tp, 0", Flow::Next, &[Rule::SegmentAccess]),
        (0x0010_9495, "add.d $r21, $a0, $a1", Flow::Next, &[Rule::SegmentAccess]),
        (0x28c0_4004, "ld.d $a0, $zero, 16", Flow::Next, &[Rule::AbsoluteAddress]),
        (0x0000_0000, ".byte 0x00, 0x00, 0x00, 0x00", Flow::Stop, &[Rule::Undecodable]),
        (0xffff_ffff, ".byte 0xff, 0xff, 0xff, 0xff", Flow::Stop, &[Rule::Undecodable]),
        (0x0080_04a4, ".byte 0xa4, 0x04, 0x80, 0x00", Flow::Stop, &[Rule::Undecodable]), // bstrins.d, bits 0 to 1
        (0x0060_84a4, ".byte 0xa4, 0x84, 0x60, 0x00", Flow::Stop, &[Rule::Undecodable]), // bstrpick.w, bits 0 to 1
        (0x0001_1480, ".byte 0x80, 0x14, 0x01, 0x00", Flow::Stop, &[Rule::Undecodable]), // asrtle.d
        (0x001a_18a4, ".byte 0xa4, 0x18, 0x1a, 0x00", Flow::Stop, &[Rule::Undecodable]), // rotr.b
    ];
    for (word, text, flow, faults) in table {
        let instruction = one(*word);
        assert_eq!((&instruction.text[..], instruction.flow), (*text, *flow), "{word:#010x}");
        assert_eq!(rules(&instruction), *faults, "{word:#010x} {text}");
        assert_eq!(instruction.length, 4, "{text}");
    }
}

#[test]
fn what_may_fill_gaps() {
    let padding = |word: u32| one(word).padding;
    assert!(padding(0x0340_0000) && padding(0x002a_0000), "nop, and break 0");
    assert!(!padding(0x002a_0001) && !padding(0x0340_0084) && !padding(0x4c00_0020), "break 1; andi a0, a0, 0; ret");
}

#[test]
fn bytes_that_end_within_an_instruction() {
    for bytes in [&[0][..], &[0, 0, 0x40], &[0, 0, 0x40, 3, 0, 0, 0x40]] {
        let instructions = (ARCHITECTURE.decode)(bytes, ADDRESS, &surroundings());
        let last = instructions.last().expect("an instruction");
        assert_eq!((rules(last), last.flow), (vec![Rule::Undecodable], Flow::Stop));
        assert_eq!(last.end(), ADDRESS + bytes.len() as u64);
    }
}

#[test]
fn decoding_ends_at_what_is_no_instruction() {
    assert_eq!(decoded(&[0x0340_0000, 0, 0x0340_0000]).len(), 2);
    // An instruction that is only refused is passed over: fadd.d.
    assert_eq!(decoded(&[0x0340_0000, 0x0101_0000, 0x0340_0000]).len(), 3);
}

#[test]
fn the_stack() {
    // addi.d sp, sp, -16; st.d ra, sp, 8; ld.d ra, sp, 8; addi.d sp, sp, 16
    let instructions = decoded(&[0x02ff_c063, 0x29c0_2061, 0x28c0_2061, 0x02c0_4063]);
    let [push, save, restore, pop] = &instructions[..] else { panic!("{instructions:?}") };
    assert_eq!((push.stack.adjust, pop.stack.adjust), (Some(-16), Some(16)));
    let [slot] = &save.stack.stores[..] else { panic!("{save:?}") };
    assert_eq!((slot.offset, slot.size, slot.register), (8, 8, Some(1)));
    assert_eq!((&restore.stack.loads[..], restore.stack.writes.len()), (&[(1, 8)][..], 0));
    // stptr.d fp, sp, 48; ldptr.d fp, sp, 48
    let instructions = decoded(&[0x2700_3076, 0x2600_3076]);
    let [save, restore] = &instructions[..] else { panic!("{instructions:?}") };
    assert_eq!((save.stack.stores[0].offset, save.stack.stores[0].register), (48, Some(22)));
    assert_eq!((&restore.stack.loads[..], restore.stack.writes.len()), (&[(22, 48)][..], 0));
    // move sp, a0; addi.d fp, sp, -32; st.w fp, sp, -4; ld.w fp, sp, 8; bl .
    let instructions = decoded(&[0x0015_0083, 0x02ff_8076, 0x29bf_f076, 0x2880_2076, 0x5400_0000]);
    let [moved, local, half, partly, call] = &instructions[..] else { panic!("{instructions:?}") };
    assert_eq!(moved.stack.adjust, None);
    assert_eq!((local.stack.lowest, &local.stack.writes[..]), (-32, &[22][..]));
    assert_eq!((half.stack.lowest, half.stack.stores[0].size, half.stack.stores[0].register), (-4, 4, None));
    assert_eq!((partly.stack.loads.len(), &partly.stack.writes[..]), (0, &[22][..]));
    assert_eq!(&call.stack.writes[..], [1]);
}

#[test]
fn calls_in_two_instructions() {
    // pcaddu18i ra, 0; jirl ra, ra, 16
    let call = decoded(&[0x1e00_0001, 0x4c00_1021]);
    assert_eq!((call[1].flow, rules(&call[1])), (Flow::Call(0x1010), vec![]));
    // pcaddu18i t0, -1; jirl zero, t0, -8
    let jump = decoded(&[0x1fff_ffec, 0x4fff_f980]);
    assert_eq!((jump[1].flow, rules(&jump[1])), (Flow::Jump(0x1000_u64.wrapping_sub(0x4_0008)), vec![]));
    assert!(call[1].branch_fault.is_some() && jump[1].branch_fault.is_some());
    // Another register for the return address: jirl t1, t0, 8.
    assert_eq!(rules(&decoded(&[0x1fff_ffec, 0x4c00_098d])[1]), [Rule::IndirectBranch]);
    // Something between them, or another register.
    let apart = decoded(&[0x1e00_0001, 0x0340_0000, 0x4c00_1021]);
    assert_eq!((rules(&apart[2]), apart[2].branch_fault.is_none()), (vec![Rule::IndirectBranch], true));
    assert_eq!(rules(&decoded(&[0x1e00_0001, 0x4c00_0181])[1]), [Rule::IndirectBranch]);
}

const LOAD: u32 = 0x28c0_0084; // ld.d a0, a0, 0
const LOAD_16: u32 = 0x28c0_4084; // ld.d a0, a0, 16
const STORE_16: u32 = 0x29c0_4085; // st.d a1, a0, 16
const ADD_16: u32 = 0x02c0_4084; // addi.d a0, a0, 16

/// What the last of some instructions breaks.
fn last(words: &[u32]) -> Vec<Rule> {
    rules(decoded(words).last().expect("an instruction"))
}

#[test]
fn addresses_relative_to_the_code() {
    // pcalau12i a0, -2 leads to the page, -3 before it, 1 to the image, 3 to its end.
    let (page, before, image, end) = (0x1bff_ffc4, 0x1bff_ffa4, 0x1a00_0024, 0x1a00_0064);
    for (words, faults) in [
        (&[page, LOAD][..], &[][..]),
        (&[page, LOAD_16], &[]),
        (&[page, STORE_16], &[Rule::ReadOnlyStore]),
        (&[page, ADD_16, STORE_16], &[Rule::ReadOnlyStore]),
        (&[image, ADD_16], &[]),
        (&[image, STORE_16], &[Rule::ReadOnlyStore]),
        (&[before, LOAD], &[Rule::DataAddress]),
        (&[before, ADD_16], &[Rule::DataAddress]),
        (&[end, ADD_16], &[Rule::DataAddress]),
        (&[end, LOAD_16], &[Rule::DataAddress]),
        // addu16i.d a0, a0, 1; move a2, a0, and ld.d a2, a2, 0.
        (&[image, 0x1000_0484, LOAD], &[Rule::DataAddress]),
        (&[before, 0x0015_0086, 0x28c0_00c6], &[Rule::DataAddress]),
        // pcaddi a0, 8 and 524287; pcaddu12i a0, -2 and 4.
        (&[0x1800_0104], &[]),
        (&[0x18ff_ffe4], &[Rule::DataAddress]),
        (&[0x1dff_ffc4, LOAD_16], &[]),
        (&[0x1c00_0084, LOAD_16], &[Rule::DataAddress]),
        // Behind a call (bl) nothing is known, and behind another load into the register.
        (&[before, 0x5400_0000, LOAD], &[]),
        (&[page, LOAD, STORE_16], &[]),
    ] {
        assert_eq!(last(words), *faults, "{words:x?}");
    }
}

#[test]
fn absolute_addresses() {
    let upper = 0x1400_0024; // lu12i.w a0, 1
    for (words, faults) in [
        (&[upper, LOAD][..], &[Rule::AbsoluteAddress][..]),
        (&[upper, STORE_16], &[Rule::AbsoluteAddress]),
        (&[upper, ADD_16], &[]),
        (&[upper, ADD_16, LOAD], &[Rule::AbsoluteAddress]),
        // ori a0, a0, 16; lu32i.d a0, 1; lu52i.d a0, a0, 1
        (&[upper, 0x0380_4084, 0x1600_0024, 0x0300_0484, LOAD], &[Rule::AbsoluteAddress]),
        // lu12i.w a1, 1; ldx.d a0, zero, a1; and ldx.d a0, a1, a2.
        (&[0x1400_0025, 0x380c_1404], &[Rule::AbsoluteAddress]),
        (&[0x1400_0025, 0x380c_18a4], &[]),
    ] {
        assert_eq!(last(words), *faults, "{words:x?}");
    }
}

#[test]
fn every_order_kind_is_told() {
    let kind = |word: u32| one(word).order.kind;
    assert_eq!(kind(LOAD), OrderKind::Load { address: 1 << 4 });
    assert_eq!(kind(0x380c_18a4), OrderKind::Load { address: 1 << 5 | 1 << 6 });
    assert_eq!(kind(0x002b_0000), OrderKind::SystemCall);
    assert_eq!(kind(0x3872_0014), OrderKind::Barrier(20));
    assert_ne!(kind(0x3872_8000), kind(0x3872_0000), "ibar 0 is no dbar 0");
    assert!(matches!(kind(0x0000_6804), OrderKind::Counter { .. }), "rdtime.d");
    assert!(matches!(kind(0x0000_6004), OrderKind::Counter { .. }), "rdtimel.w");
    // A constant in the image: pcalau12i a0, 1, and a load from there; and one from the page.
    let loaded = |words: &[u32]| decoded(words)[1].order.kind;
    assert_eq!(loaded(&[0x1a00_0024, LOAD_16]), OrderKind::Other);
    assert_eq!(loaded(&[0x1bff_ffc4, LOAD_16]), OrderKind::Load { address: 1 << 4 });
}

#[test]
fn what_instructions_read_and_write() {
    let sets = |word: u32| {
        let Instruction { order, .. } = one(word);
        (order.reads, order.writes)
    };
    let (ra, a0, a1, a2) = (1 << 1, 1 << 4, 1 << 5, 1 << 6);
    assert_eq!(sets(0x0010_98a4), (a1 | a2, a0), "add.d a0, a1, a2");
    assert_eq!(sets(0x0015_0004), (0, a0), "move a0, zero");
    assert_eq!(sets(0x006f_20a4), (a0 | a1, a0), "bstrins.w a0, a1, 15, 8");
    assert_eq!(sets(0x17ff_ffe4), (a0, a0), "lu32i.d a0, -1");
    assert_eq!(sets(0x28c0_00a4), (0, a0), "ld.d a0, a1, 0");
    assert_eq!(sets(0x29c0_00a4), (a0 | a1, 0), "st.d a0, a1, 0");
    assert_eq!(sets(0x3810_18a4), (a0 | a1 | a2, 0), "stx.b a0, a1, a2");
    assert_eq!(sets(0x5bff_fc85), (a0 | a1, 0), "beq a0, a1, -4");
    assert_eq!(sets(0x5800_0485), (0, 0), "beq a0, a1, to the next one");
    assert_eq!(sets(0x4400_0880), (a0, 0), "bnez a0, 8");
    assert_eq!(sets(0x4400_0480), (0, 0), "bnez a0, to the next one");
    assert_eq!(sets(0x00bf_00a4), (a1, a0), "bstrins.d a0, a1, 63, 0");
    assert_eq!(sets(0x007f_00a4), (a1, a0), "bstrins.w a0, a1, 31, 0");
    assert_eq!(sets(0x000c_18a4), (a2, a0), "bytepick.d a0, a1, a2, 0");
    assert_eq!(sets(0x000c_98a4), (a1 | a2, a0), "bytepick.d a0, a1, a2, 1");
    assert_eq!(sets(0x5400_0000), (0, ra), "bl 0");
    assert_eq!(sets(0x4c00_0020), (ra, 0), "ret");
    assert_eq!(sets(0x0000_68a4), (0, a0 | a1), "rdtime.d a0, a1");
    assert_eq!(sets(0x0015_94a4), (0, a0), "xor a0, a1, a1");
    assert_eq!(sets(0x0015_98a4), (a1 | a2, a0), "xor a0, a1, a2");
}
