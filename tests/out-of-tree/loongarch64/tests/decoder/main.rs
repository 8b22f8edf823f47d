//! The decoder and the order rule, through vdso-linker's public interface.
//!
//! | module | what |
//! |---|---|
//! | `encodings` | fixed encodings: text, flow, faults, stack, addresses |
//! | `operands` | the registers that make a difference, against what instructions compute |
//! | `order` | the order of counter reads, in good and in bad code |
//! | `disassembler` | many words, against LLVM's disassembler |

mod disassembler;
mod encodings;
mod operands;
mod order;

use vdso_linker::arch::{Instruction, Surroundings};
use vdso_linker::gate::Rule;
use vdso_loongarch64::ARCHITECTURE;

/// Where the instructions lie.
const ADDRESS: u64 = 0x1000;

/// An image of four pages, and the page before it.
fn surroundings() -> Surroundings {
    Surroundings { image: 0..0x4000, vvar: -0x1000..0 }
}

/// The instructions that these words are, from [`ADDRESS`] on.
fn decoded(words: &[u32]) -> Vec<Instruction> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    (ARCHITECTURE.decode)(&bytes, ADDRESS, &surroundings())
}

/// The only instruction that a word is.
fn one(word: u32) -> Instruction {
    decoded(&[word]).into_iter().next().unwrap_or_else(|| panic!("{word:#010x}: no instruction"))
}

fn rules(instruction: &Instruction) -> Vec<Rule> {
    instruction.faults.iter().map(|fault| fault.rule).collect()
}
