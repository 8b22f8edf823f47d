//! The decoder against single encodings, and against the GNU disassembler.

use super::decode::{barrier, decode, set, FLAGS, MEMORY, ZERO};
use crate::arch::shipped::{disassembled, Shipped};
use crate::arch::{Arch, Flow, Instruction, Order, OrderKind, Registers, Surroundings};
use crate::gate::Rule;
use std::collections::BTreeSet;
use vdso_tests::need;
use vdso_tests::random::Random;

const SURROUNDINGS: Surroundings = Surroundings { image: 0..0x2000, vvar: -0x1000..0 };

fn decoded(word: u32) -> Instruction {
    decode(&word.to_le_bytes(), 0x1000, &SURROUNDINGS).remove(0)
}

/// Words that are the same in every run.
fn random_words() -> impl Iterator<Item = u32> {
    let mut random = Random::new(1);
    std::iter::repeat_with(move || random.number() as u32)
}

/// The decoder meets whatever is in a file.
#[test]
fn any_word_is_judged() {
    for word in random_words().take(2_000_000) {
        assert_eq!(decoded(word).address, 0x1000);
    }
}

#[test]
fn branches_lead_where_they_say() {
    for (word, flow) in [
        (0x1400_0002, Flow::Jump(0x1008)),
        (0x97ff_ffff, Flow::Call(0xffc)),
        (0x54ff_ffe0, Flow::Branch(0xffc)),  // b.eq
        (0xb400_0043, Flow::Branch(0x1008)), // cbz x3
        (0x3727_fff3, Flow::Branch(0xffc)),  // tbnz w19, #4
        (0x5400_004e, Flow::Jump(0x1008)),   // b.al
        (0x5400_004f, Flow::Jump(0x1008)),   // b.nv
        (0xd65f_03c0, Flow::Return),
        (0xd420_0020, Flow::Stop), // brk #1
        (0x0000_0000, Flow::Stop), // udf #0
        (0xd400_0001, Flow::Next), // svc #0
    ] {
        let instruction = decoded(word);
        assert_eq!((instruction.flow, instruction.faults.len()), (flow, 0), "{word:#x}: {}", instruction.text);
    }
}

#[test]
fn the_stack_is_followed() {
    let stp = decoded(0xa9be_7bfd).stack; // stp x29, x30, [sp, #-32]!
    assert_eq!((stp.adjust, stp.lowest), (Some(-32), -32));
    let stores: Vec<_> = stp.stores.iter().map(|slot| (slot.offset, slot.size, slot.register)).collect();
    assert_eq!(stores, [(-32, 8, Some(29)), (-24, 8, Some(30))]);
    let ldp = decoded(0xa8c2_7bfd).stack; // ldp x29, x30, [sp], #32
    assert_eq!((ldp.adjust, ldp.loads, ldp.writes), (Some(32), vec![(29, 0), (30, 8)], vec![]));
    let add = decoded(0x9140_07ff).stack; // add sp, sp, #1, lsl #12
    assert_eq!(add.adjust, Some(4096));
    let mov = decoded(0x9100_43fd).stack; // add x29, sp, #16
    assert_eq!((mov.adjust, mov.frame_pointer, mov.writes), (Some(0), Some(16), vec![29]));
    let half = decoded(0xb940_0bf3).stack; // ldr w19, [sp, #8]
    assert_eq!((half.loads, half.writes), (vec![], vec![19]));
    assert_eq!(decoded(0x9100_03bf).stack.adjust, None); // mov sp, x29
}

#[test]
fn dependencies_are_by_register() {
    let order = |word| {
        let Order { reads, writes, kind } = decoded(word).order;
        (reads, writes, kind)
    };
    let registers = |numbers: &[u16]| set(numbers);
    assert_eq!(order(0xca00_0002), (registers(&[0]), registers(&[2]), OrderKind::Other)); // eor x2, x0, x0
    assert_eq!(order(0xeb01_001f), (registers(&[0, 1]), FLAGS, OrderKind::Other)); // cmp x0, x1
    assert_eq!(order(0x9a82_b020), (registers(&[1, 2]) | FLAGS, registers(&[0]), OrderKind::Other)); // csel x0, x1, x2
    assert_eq!(order(0x9a9f_b020), (registers(&[1]) | FLAGS | ZERO, registers(&[0]), OrderKind::Other)); // csel x0, x1, xzr
    assert_eq!(order(0x9a82_e020), (registers(&[1]), registers(&[0]), OrderKind::Other)); // csel x0, x1, x2, al
    assert_eq!(order(0xfa42_e020), (registers(&[1, 2]), FLAGS, OrderKind::Other)); // ccmp x1, x2, #0, al
    assert_eq!(order(0xf800_8420), (registers(&[0, 1]), registers(&[1]) | MEMORY, OrderKind::Other)); // str x0, [x1], #8
    assert_eq!(order(0xc802_7c20), (registers(&[0, 1]), registers(&[2]) | MEMORY, OrderKind::Other)); // stxr w2, x0, [x1]
    assert_eq!(order(0xf2a0_0060), (registers(&[0]), registers(&[0]), OrderKind::Other)); // movk x0, #3, lsl #16
    let load = OrderKind::Load { address: registers(&[1, 2]) };
    assert_eq!(order(0xf862_7820), (0, registers(&[0]), load)); // ldr x0, [x1, x2, lsl #3]
    assert_eq!(order(0xd503_3fdf).2, OrderKind::Barrier(barrier::ISB));
    // dmb ishld; dmb ishst
    assert!(matches!(order(0xd503_39bf).2, OrderKind::Barrier(number) if barrier::is_for_loads(number)));
    assert!(matches!(order(0xd503_3abf).2, OrderKind::Barrier(number) if !barrier::is_for_loads(number)));
}

/// What an instruction does with one register twice the manual leaves open (C6.2).
#[test]
fn one_register_in_two_parts_is_refused() {
    for (word, refused) in [
        (0xf840_8400, true),  // ldr x0, [x0], #8
        (0xf840_0000, false), // ldur x0, [x0]
        (0xf800_8400, true),  // str x0, [x0], #8
        (0xf900_0000, false), // str x0, [x0]
        (0xa9bf_0001, true),  // stp x1, x0, [x0, #-16]!
        (0xc800_7c20, true),  // stxr w0, x0, [x1]
        (0xc801_7c20, true),  // stxr w1, x0, [x1]
        (0xc802_7c20, false), // stxr w2, x0, [x1]
    ] {
        let instruction = decoded(word);
        let found = instruction.faults.iter().any(|fault| fault.rule == Rule::Undecodable);
        assert_eq!(found, refused, "{word:#x}: {}", instruction.text);
    }
}

/// The general registers that a disassembler's text names.
fn named(text: &str) -> Registers {
    let names = text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|name| match name {
        "sp" | "wsp" => Some(31),
        _ => name.strip_prefix(['x', 'w']).and_then(|number| number.parse().ok()),
    });
    set(&names.filter(|number| *number <= 31).collect::<Vec<u16>>())
}

/// Random words as both read them: what is known here is an instruction there, of the same registers and the same
/// target, and loads or stores if it does there.
#[test]
fn words_as_the_gnu_disassembler_reads_them() {
    let objdump = need!("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu");
    let words: Vec<u32> = random_words().take(400_000).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let mut wrong = Vec::new();
    let (mut known, mut mnemonics) = (0, BTreeSet::new());
    for (address, theirs) in disassembled(&objdump, &["-D", "-z", "-b", "binary", "-m", "aarch64"], &file) {
        let theirs = theirs.split("//").next().unwrap_or_default();
        let (mnemonic, operands) = theirs.trim().split_once('\t').unwrap_or((theirs.trim(), ""));
        let word = words[address as usize / 4];
        let ours = decode(&word.to_le_bytes(), address, &Surroundings { image: 0..0, vvar: 0..0 }).remove(0);
        let refused = [Rule::Undecodable, Rule::VectorInstruction, Rule::CpuFeature, Rule::SystemInstruction];
        if ours.faults.iter().any(|fault| refused.contains(&fault.rule)) {
            continue;
        }
        known += 1;
        mnemonics.insert(mnemonic.to_owned());
        let address_registers = match ours.order.kind {
            OrderKind::Load { address } => address,
            _ => 0,
        };
        let used = (ours.order.reads | ours.order.writes | address_registers) & !(FLAGS | MEMORY | ZERO);
        // On these conditions a selection is of the first operand.
        let decided = mnemonic.starts_with("cs") && (operands.ends_with(", al") || operands.ends_with(", nv"));
        let same_registers = used == named(operands) || decided && used & !named(operands) == 0;
        let target = operands.rsplit(' ').next().and_then(|it| u64::from_str_radix(it.strip_prefix("0x")?, 16).ok());
        let leads = match ours.flow {
            Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) => target == Some(to),
            _ => true,
        };
        let is_load = matches!(ours.order.kind, OrderKind::Load { .. }) || !mnemonic.starts_with("ld");
        let judged_elsewhere = mnemonic.starts_with("prf") || ["br", "blr", "ret"].contains(&mnemonic);
        let undefined = mnemonic == ".inst" || theirs.contains("undefined");
        if undefined || !leads || !is_load || (!same_registers && !judged_elsewhere) {
            wrong.push(format!("{word:#010x}: {} | {mnemonic} {operands}", ours.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {known}:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
    assert!(known > 50_000 && mnemonics.len() > 80, "{known} known instructions of {} kinds", mnemonics.len());
}

/// The whole image that ships: nothing in it is unknown, and branches lead where the GNU disassembler says.
#[test]
fn the_image_as_the_gnu_disassembler_reads_it() {
    let objdump = need!("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu");
    let Shipped { file, code, address } = Shipped::of(Arch::AARCH64);
    let ours = decode(&code, address, &SURROUNDINGS);
    let theirs = disassembled(&objdump, &["-d", "-z"], &file);
    assert_eq!(theirs.len(), ours.len());
    assert!(ours.len() > 200);
    for (ours, (address, theirs)) in ours.iter().zip(theirs) {
        assert_eq!((ours.address, ours.faults.len()), (address, 0), "{}: {:?} | {theirs}", ours.text, ours.faults);
        if let Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) = ours.flow {
            assert!(theirs.contains(&format!("{to:x} <")), "{}: {to:#x} | {theirs}", ours.text);
        }
    }
}
