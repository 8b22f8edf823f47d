//! The rules, each with whom it protects.

use serde::{Serialize, Serializer};
use std::fmt;

/// Declares the rules: the reason as documentation, the variant, its name.
macro_rules! rules {
    ($( $(#[doc = $reason:literal])+ $variant:ident = $name:literal, )*) => {
        /// A rule of the gate. Each has a name, by which violations call it, and a reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $( $(#[doc = $reason])+ $variant, )*
        }

        impl Rule {
            /// All rules, in the order in which they are documented.
            pub const ALL: &'static [Rule] = &[$( Rule::$variant, )*];

            /// The rule's name, in kebab-case.
            pub const fn name(self) -> &'static str {
                match self { $( Rule::$variant => $name, )* }
            }

            /// Why the rule exists: who breaks on an image that breaks it.
            pub fn reason(self) -> &'static str {
                match self { $( Rule::$variant => concat!($($reason),+).trim_start(), )* }
            }
        }
    };
}

rules! {
    // The file.
    /// A header or table is cut off or points out of the file. Clients follow these fields unchecked, so each process
    /// crashes.
    Malformed = "malformed",
    /// ET_DYN, of the manifest's class, byte order and machine (vdso2c; a libc of another machine never looks further).
    FileHeader = "file-header",
    /// The image, section headers included, fits the manifest's size limit: kernels reserve that many pages, and with
    /// vvar behind the image the code reads it at that distance.
    SizeLimit = "size-limit",
    // Program headers.
    /// Exactly one PT_LOAD: older musl takes the load bias from the last one, CRIU and vdso2c accept one only, and with
    /// four OSv confused glibc (OSv pull request 1252).
    OneLoad = "one-load",
    /// The PT_LOAD is readable and executable and not writable: rustix wants R and X, and the kernel maps the image so.
    LoadFlags = "load-flags",
    /// The PT_LOAD starts at file offset 0 and address 0 and is aligned to the page: Go and musl find the dynamic table
    /// by file offset, glibc by address, and only then do both agree.
    LoadAddress = "load-address",
    /// The PT_LOAD has the same size in file and memory (vdso2c): there is no writable memory behind the file for a
    /// .bss.
    LoadSize = "load-size",
    /// The PT_LOAD covers ELF header, program headers, section headers and all else in the file: older bionic and
    /// linux-raw-vdso read section headers from memory, and fault where they are not mapped.
    LoadCover = "load-cover",
    /// Exactly one PT_DYNAMIC: CRIU wants exactly one, and no other client finds anything without.
    DynamicSegment = "dynamic-segment",
    /// Segments that clients read lie inside the PT_LOAD, with equal file offset and address: Go and musl find the
    /// dynamic table by offset, glibc by address. They are readable and nothing else: glibc relocates a dynamic table that
    /// is writable in place, and faults.
    SegmentPlace = "segment-place",
    /// No PT_TLS: glibc asserts that a vDSO has none, and nobody would allocate it.
    Tls = "tls",
    /// No PT_INTERP: rustix rejects the image, and there is no program to interpret.
    Interp = "interp",
    /// No PT_GNU_RELRO: rustix rejects the image, and nobody would call mprotect.
    Relro = "relro",
    /// PT_GNU_STACK, if present, is not executable: hardened systems refuse such objects.
    ExecutableStack = "executable-stack",
    /// Only segments that clients are known to accept or ignore (CRIU and QEMU's gen-vdso refuse what they do not
    /// know).
    UnknownSegment = "unknown-segment",
    // Sections.
    /// Section headers name .dynsym, .dynstr, .dynamic, the hash and version tables where the dynamic table has them,
    /// and addresses are file offsets: older bionic counts symbols by SHT_DYNSYM; linux-raw-vdso and chaos-mesh read
    /// nothing else. So sizes and links are right, too, each table is there once, and none is compressed.
    SectionHeaders = "section-headers",
    /// No mapped section is writable: the image is mapped read-only, shared by all processes, and a store to it faults.
    WritableSection = "writable-section",
    /// No global offset table and no procedure linkage table: a dynamic linker fills them, and a vDSO has none.
    GotPlt = "got-plt",
    // The dynamic table.
    /// No relocation of any kind: nobody applies one, so the code would use an unrelocated address (vdso2c,
    /// lib/vdso/Makefile; ClangBuiltLinux issue 2183 was a loop that became a call of memset).
    Relocation = "relocation",
    /// No undefined symbol: nobody binds one.
    UndefinedSymbol = "undefined-symbol",
    /// No DT_NEEDED or other reference to another object: nobody loads it (gen-vdso).
    Needed = "needed",
    /// No DT_TEXTREL and no DF_TEXTREL: glibc would make the text writable (vdso2c).
    TextRel = "textrel",
    /// No DT_RPATH and no DT_RUNPATH: there is nothing to search for (gen-vdso).
    RunPath = "run-path",
    /// No constructors and no destructors: nobody runs those of a vDSO.
    InitFini = "init-fini",
    /// Only dynamic tags with a known effect on clients (gen-vdso refuses the others): an unknown one asks a loader for
    /// something that a vDSO does not get.
    UnknownDynamicTag = "unknown-dynamic-tag",
    /// DT_STRTAB, DT_STRSZ, DT_SYMTAB and DT_SYMENT are there, and every address of the table is inside the PT_LOAD
    /// (CRIU and glibc need them). No tag occurs twice: some clients take the first one, glibc and Go the last.
    DynamicEntry = "dynamic-entry",
    /// DT_SONAME is the manifest's: dlopen of that name, gdb and ldd find the image by it.
    Soname = "soname",
    /// DT_HASH is there, counts all symbols and finds each: older musl knows no other table, finds no symbol without it
    /// and makes system calls. No chain leads out of the table or in a circle: that would be the end of who looks for
    /// another name.
    SysvHash = "sysv-hash",
    /// DT_GNU_HASH is there, finds each symbol, and its Bloom filter has a power of two of words: glibc masks with
    /// words minus one. No bucket leads out of the table.
    GnuHash = "gnu-hash",
    /// DT_VERDEF, DT_VERDEFNUM and DT_VERSYM are there and right, and define the manifest's nodes: without DT_VERDEF
    /// every static Go program crashes (elfuse issue 49), with a wrong hash or name musl, Go and rustix make system calls.
    VersionDefinition = "version-definition",
    // Notes.
    /// A GNU build id note in a PT_NOTE: debuggers and profilers find the symbols of the image by it.
    BuildId = "build-id",
    /// The note `vvar` names the page that the image reads, and it is the expected one: with a page of another layout
    /// every clock is wrong.
    PageNote = "page-note",
    /// Where the processor can check that an indirect branch leads to a landing pad, the image has the note
    /// `.note.gnu.property` that asks for it, in a PT_GNU_PROPERTY and a PT_NOTE: loaders and kernels map a program with
    /// the check only if each object has it.
    PropertyNote = "property-note",
    // Exports.
    /// Every export and alias of the manifest is a dynamic symbol: a libc that does not find one makes system calls and
    /// says nothing.
    ExportMissing = "export-missing",
    /// No dynamic symbol that is not in the manifest: whatever is exported becomes an interface for ever. None
    /// is there twice: clients would take one or the other.
    ExportExtra = "export-extra",
    /// Each export has the manifest's version as its default version: glibc asks for name and version (dl-vdso.h).
    ExportVersion = "export-version",
    /// Each export is of type FUNC: Go and Linux's parse_vdso.c skip any other.
    ExportType = "export-type",
    /// Each export is GLOBAL and its alias WEAK, as in Linux's image: a program that defines the alias's name itself
    /// must not clash with it.
    ExportBinding = "export-binding",
    /// Each export has default visibility: a client does not see any other.
    ExportVisibility = "export-visibility",
    /// Each export has a size, up to the end of its unwind information: profilers attribute samples by it.
    ExportSize = "export-size",
    /// Each export is the address of an instruction in an executable section, the one that it names: to an absolute symbol
    /// glibc adds no load bias.
    ExportAddress = "export-address",
    /// An alias has the address of its export.
    ExportAlias = "export-alias",
    /// Each export starts with a landing pad, where the image's note says that it has them: clients call it by a pointer,
    /// and the call faults at any other instruction. What a signal handler returns to needs none.
    LandingPad = "landing-pad",
    /// What signal handlers return to is byte for byte what libgcc, LLVM's libunwind and gdb look for, and is described
    /// as a signal frame, together with the byte before it: an unwinder looks that one up, since a return address is
    /// behind its call. The gate does not evaluate the description, the column of the return address included: that each
    /// register comes back has to be tested against the kernel's frame (`tests/foreign/unwinding.rs`). Nothing else is
    /// described as a signal frame, and no code leads there: such a frame is exempt from the rules on the stack.
    SignalTrampoline = "signal-trampoline",
    // Unwind information.
    /// `.eh_frame` is there and well-formed: a signal can interrupt any instruction, and then debuggers, profilers and
    /// exception handling unwind through the image.
    EhFrame = "eh-frame",
    /// PT_GNU_EH_FRAME leads to a table that has each frame description once, in order of address: unwinders bisect it.
    EhFrameHdr = "eh-frame-hdr",
    /// Every instruction but padding between functions has unwind information: hand-written assembly needs its own.
    UnwindCoverage = "unwind-coverage",
    /// The canonical frame address is the stack pointer plus a number (on architectures whose compilers always set one
    /// up, also the frame pointer), the return address lies at its place: the gate proves no other rule, and profilers in
    /// the kernel evaluate no other. Signal frames are exempt: their rules are expressions on what the kernel saved.
    CfaRule = "cfa-rule",
    /// The unwind information says at each instruction what the instructions before it did to the stack.
    CfaMismatch = "cfa-mismatch",
    /// The unwind information says where a changed callee-saved register was saved, and the function restores it: else
    /// the caller, or a debugger, goes on with a wrong value. The same holds for the return address on the stack, and for
    /// flags that belong to the program.
    SavedRegister = "saved-register",
    // Stack.
    /// No function has a frame of more than 256 bytes: Go calls the vDSO on small stacks (golang issue 20427).
    FrameSize = "frame-size",
    /// No call into the image takes more than 256 bytes of stack in all, for the same reason.
    StackDepth = "stack-depth",
    /// The stack pointer only moves by amounts that the gate can add up, alike on every path, and stays aligned as the
    /// calling convention says.
    StackPointer = "stack-pointer",
    /// Nothing below the stack pointer is used but the red zone, where the calling convention gives a function one: a
    /// signal handler overwrites all else.
    RedZone = "red-zone",
    /// No function calls itself, directly or through others: its stack would have no bound.
    Recursion = "recursion",
    // Instructions.
    /// Executable sections hold instructions and nothing else: a table or a string there cannot be checked, and is a
    /// gadget.
    Undecodable = "undecodable",
    /// A branch or call leads to an instruction of the image, and no code runs into padding or off the end: outside of
    /// the image there is nothing that belongs to it.
    BranchTarget = "branch-target",
    /// No indirect branch or call: its table would need relocations, its target cannot be checked, and it is a Spectre
    /// target.
    IndirectBranch = "indirect-branch",
    /// No vector and no floating-point instruction in any function: kernels with a lazy FPU trap on the first one,
    /// kernels without FPU support do not save the registers.
    VectorInstruction = "vector-instruction",
    /// Only instructions that every CPU of the architecture has, besides those that the page selects, such as RDTSCP:
    /// nobody patches the image at boot.
    CpuFeature = "cpu-feature",
    /// No privileged instruction and none whose answer is the kernel's or the hypervisor's: LSL in getcpu answers CPU
    /// 123 on a kernel without Linux's descriptor, CPUID traps.
    SystemInstruction = "system-instruction",
    /// No access through the thread pointer or a segment register: they belong to the libc, and are not set in every
    /// thread (nanos pull request 1371).
    SegmentAccess = "segment-access",
    /// Counter reads are in order with the loads around them, by the barriers and dependences that the architecture's
    /// manual asks for: a counter that was not ran backwards by 1.7 us between two CPUs.
    UnorderedCounter = "unordered-counter",
    /// No absolute address in an operand: the image is mapped at a random address, and nobody relocates it.
    AbsoluteAddress = "absolute-address",
    /// An address relative to the instruction pointer lies in the image or in the vvar pages: nothing else is mapped at
    /// a fixed distance.
    DataAddress = "data-address",
    /// No store to the image or to the vvar pages: both are mapped read-only, so it faults.
    ReadOnlyStore = "read-only-store",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
