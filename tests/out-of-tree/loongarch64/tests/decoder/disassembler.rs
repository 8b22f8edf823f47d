//! Many words, as LLVM's disassembler reads them, which has nothing in common with this decoder.

use super::surroundings;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vdso_linker::arch::{Flow, Instruction};
use vdso_linker::gate::Rule;
use vdso_loongarch64::ARCHITECTURE;
use vdso_tests::random::Random;

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

/// Words that are the same in every run. In most of them those bits are such that they fall
/// among the basic integer instructions, which fill a small part of the space.
fn random_words(count: usize) -> Vec<u32> {
    let mut random = Random::new(1);
    let mut next = || random.number() as u32;
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

/// What starts the names of whole families, and no other names.
const FLOATING_POINT_AND_VECTORS: [&str; 3] = ["f", "v", "xv"];
const BINARY_TRANSLATION: [&str; 4] = ["x86", "setx86", "arm", "setarm"];

/// Others of them: moves between kinds of registers, and branches on conditions.
const MOVES: [&str; 14] = [
    "movgr2fr.w",
    "movgr2fr.d",
    "movgr2frh.w",
    "movfr2gr.s",
    "movfr2gr.d",
    "movfrh2gr.s",
    "movgr2fcsr",
    "movfcsr2gr",
    "movfr2cf",
    "movcf2fr",
    "movgr2cf",
    "movcf2gr",
    "bceqz",
    "bcnez",
];

/// What is refused as privileged, up to a dot.
const PRIVILEGED: [&str; 27] = [
    "csrrd",
    "csrwr",
    "csrxchg",
    "cacop",
    "lddir",
    "ldpte",
    "iocsrrd",
    "iocsrwr",
    "tlbsrch",
    "tlbrd",
    "tlbwr",
    "tlbfill",
    "tlbclr",
    "tlbflush",
    "invtlb",
    "ertn",
    "idle",
    "dbcl",
    "hvcl",
    "gcsrrd",
    "gcsrwr",
    "gcsrxchg",
    "gtlbflush",
    "gtlbsrch",
    "gtlbrd",
    "gtlbwr",
    "gtlbfill",
];

/// What no processor without an extension has, or no compiler makes, up to a dot: of binary translation, and accesses with a
/// check of bounds.
const UNKNOWN: [&str; 19] = [
    "asrtgt",
    "asrtle",
    "ldgt",
    "ldle",
    "stgt",
    "stle",
    "adc",
    "sbc",
    "rcr",
    "rcri",
    "addu12i",
    "ldl",
    "ldr",
    "stl",
    "str",
    "movgr2scr",
    "movscr2gr",
    "jiscr0",
    "jiscr1",
];

/// Whether the disassembler's text is of an instruction that is refused for that reason.
fn is_refused_for(rule: Rule, theirs: &str) -> bool {
    let name = theirs.split(' ').next().unwrap_or_default();
    let (base, size) = name.split_once('.').unwrap_or((name, ""));
    let starts = |families: &[&str]| families.iter().any(|family| name.starts_with(family));
    match rule {
        Rule::VectorInstruction => starts(&FLOATING_POINT_AND_VECTORS) || MOVES.contains(&name),
        Rule::SystemInstruction => PRIVILEGED.contains(&base),
        Rule::CpuFeature => ["crc", "crcc"].contains(&base),
        Rule::Undecodable if ["bstrins", "bstrpick"].contains(&base) => ends_before_it_begins(theirs),
        // Of words and doublewords it is a basic instruction.
        Rule::Undecodable if ["rotr", "rotri"].contains(&base) => ["b", "h"].contains(&size),
        Rule::Undecodable => starts(&BINARY_TRANSLATION) || UNKNOWN.contains(&base),
        _ => false,
    }
}

/// Whether the last of the bits that are copied, the third operand, is below the first.
fn ends_before_it_begins(text: &str) -> bool {
    let bits: Vec<u32> = text.split(", ").skip(2).filter_map(|bit| bit.parse().ok()).collect();
    matches!(bits[..], [last, first] if last < first)
}

/// The names decide, not their first letters.
#[test]
fn what_is_refused_for_another_reason_does_not_count() {
    assert!(is_refused_for(Rule::VectorInstruction, "movgr2fr.d $fa0, $a0"));
    assert!(!is_refused_for(Rule::VectorInstruction, "movgr2scr $scr0, $a0"));
    assert!(is_refused_for(Rule::Undecodable, "movgr2scr $scr0, $a0"));
    assert!(is_refused_for(Rule::Undecodable, "rotr.b $a0, $a1, $a2"));
    assert!(!is_refused_for(Rule::Undecodable, "rotr.w $a0, $a1, $a2"));
    assert!(is_refused_for(Rule::Undecodable, "bstrins.w $a0, $a1, 8, 15"));
    assert!(!is_refused_for(Rule::Undecodable, "bstrins.w $a0, $a1, 15, 8"));
    assert!(!is_refused_for(Rule::Undecodable, "addi.d $a0, $a1, 1"));
    assert!(!is_refused_for(Rule::SystemInstruction, "ldptr.d $a0, $a1, 0"));
}

#[test]
fn words_as_llvm_reads_them() {
    let Some(llvm) = Llvm::find() else {
        let names = RELEASES.map(|release| format!("llvm-{release}")).join(", ");
        vdso_tests::skip!(format!("needs llvm-mc and llvm-objdump of one release (Debian packages {names})"));
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
