//! The decoder against the GNU disassembler.

use super::decode::decode;
use crate::arch::shipped::{disassembled, Shipped};
use crate::arch::{Arch, Flow, Surroundings};
use vdso_tests::need;

/// The whole image that ships: nothing in it is unknown, and instructions are where the GNU disassembler has them, and
/// lead where it says.
#[test]
fn the_image_as_the_gnu_disassembler_reads_it() {
    let objdump = need!("objdump", "binutils");
    let Shipped { file, code, address } = Shipped::of(Arch::X86_64);
    let ours = decode(&code, address, &Surroundings { image: 0..0x2000, vvar: -0x1000..0 });
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
