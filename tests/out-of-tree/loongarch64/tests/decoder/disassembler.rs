//! Many words, as LLVM's disassembler reads them, which has nothing in common with this decoder.

use super::surroundings;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vdso_linker::arch::{Flow, Instruction};
use vdso_linker::gate::Rule;
use vdso_loongarch64::ARCHITECTURE;

/// The releases of LLVM that know all of version 1.1 of LoongArch.
const RELEASES: [u32; 4] = [19, 20, 21, 22];

/// How many mnemonics the decoder knows, with `move`, which is an `or`.
const ENCODINGS: usize = 199;

/// An assembler, which makes an object file of the words, and a disassembler.
struct Llvm {
    assembler: PathBuf,
    disassembler: PathBuf,
}

impl Llvm {
    fn find() -> Option<Llvm> {
        RELEASES.iter().find_map(|release| {
            let tool = |name: &str| vdso_tests::tool(&format!("{name}-{release}"));
            Some(Llvm { assembler: tool("llvm-mc")?, disassembler: tool("llvm-objdump")? })
        })
    }

    /// The text of each word, of which the first is at address 0; none where it knows no instruction.
    fn texts(&self, words: &[u32]) -> Vec<Option<String>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [source, object] = ["words.s", "words.o"].map(|name| folder.path().join(name));
        let text: String = words.iter().map(|word| format!(".word {word:#x}\n")).collect();
        std::fs::write(&source, text).expect("a file in the temporary folder");
        let features = "--mattr=+d,+lsx,+lasx,+frecipe,+lbt,+lvz";
        run(&self.assembler, &["--triple=loongarch64", "--filetype=obj", "-o", path(&object), path(&source)]);
        let printed = run(&self.disassembler, &["--disassemble", "--no-show-raw-insn", features, path(&object)]);
        let mut texts = vec![None; words.len()];
        for (address, text) in printed.lines().filter_map(|line| line.split_once(':')) {
            let Ok(address) = usize::from_str_radix(address.trim(), 16) else { continue };
            let text = text.split(" <").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            texts[address / 4] = Some(text).filter(|text| !text.is_empty() && !text.starts_with('<'));
        }
        texts
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have names in UTF-8")
}

fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("the program starts");
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A splitmix64 generator: words that are the same in every run. In most of them those bits are such that they fall
/// among the basic integer instructions, which fill a small part of the space.
fn random_words(count: usize) -> Vec<u32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u32
    };
    let word = |index: usize| match (index % 5, next()) {
        (0, word) => word,
        (1, word) => word & 0x7fff_ffff,
        (2, word) => word & 0x007f_ffff,
        (3, word) => word & 0x0000_7fff,
        (_, word) => word & 0x007f_ffff | 0x3800_0000,
    };
    (0..count).map(word).collect()
}

/// Our text with the target of a branch as its distance, which is how the disassembler writes it.
fn theirs_of(instruction: &Instruction) -> String {
    match instruction.flow {
        Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) => {
            let (rest, _) = instruction.text.rsplit_once(' ').expect("a target");
            format!("{rest} {}", to.wrapping_sub(instruction.address) as i64)
        }
        _ => instruction.text.clone(),
    }
}

/// Whether the disassembler knows an instruction that is refused for that reason, by the first letters of its name.
fn is_refused_for(rule: Rule, theirs: &str) -> bool {
    let names: &[&str] = match rule {
        Rule::VectorInstruction => &["f", "v", "xv", "bceqz", "bcnez", "mov"],
        Rule::SystemInstruction => &[
            "csr", "cacop", "lddir", "ldpte", "iocsr", "tlb", "invtlb", "ertn", "idle", "dbcl", "gcsr", "gtlb", "hvcl",
        ],
        Rule::CpuFeature => &["crc"],
        // Accesses with a check of bounds, which no compiler makes; and binary translation.
        Rule::Undecodable => &[
            "asrt",
            "ldgt",
            "ldle",
            "stgt",
            "stle",
            "x86",
            "setx86",
            "arm",
            "setarm",
            "adc",
            "sbc",
            "rcr",
            "rotr",
            "addu12i",
            "ldl",
            "ldr",
            "stl",
            "str",
            "movgr2scr",
            "movscr2gr",
            "jiscr",
        ],
        _ => &[],
    };
    names.iter().any(|name| theirs.starts_with(name))
}

#[test]
fn words_as_llvm_reads_them() {
    let Some(llvm) = Llvm::find() else {
        vdso_tests::skip!("needs llvm-mc-19 and llvm-objdump-19 (Debian package llvm-19)");
    };
    let words = random_words(200_000);
    let mut wrong = Vec::new();
    let (mut same, mut names) = (0, BTreeSet::new());
    for (index, (word, theirs)) in words.iter().zip(llvm.texts(&words)).enumerate() {
        let bytes = word.to_le_bytes();
        let instruction = &(ARCHITECTURE.decode)(&bytes, index as u64 * 4, &surroundings())[0];
        let ours = theirs_of(instruction);
        let refused = instruction.faults.first().filter(|_| ours.starts_with('.'));
        let agrees = match (refused, &theirs) {
            (Some(fault), Some(theirs)) => is_refused_for(fault.rule, theirs),
            (Some(_), None) => true,
            (None, Some(theirs)) => ours == *theirs,
            (None, None) => false,
        };
        if theirs.as_ref() == Some(&ours) {
            same += 1;
            names.extend(ours.split(' ').next().map(str::to_owned));
        }
        if !agrees {
            wrong.push(format!("{word:#010x}: {ours} | {}", theirs.as_deref().unwrap_or("unknown")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), words.len(), wrong[..wrong.len().min(60)].join("\n"));
    assert!(same * 3 > words.len(), "{same} known instructions among {}", words.len());
    assert!(names.len() >= ENCODINGS, "only {} of the instructions came up: {names:?}", names.len());
}
