//! The vsyscall page's decisions, one test a check, and what holds for any input.

use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use vdso_image::x86_64::vsyscall::error_code::{FETCH, PRESENT, RESERVED, USER, WRITE};
use vdso_image::x86_64::vsyscall::{
    decode, Call, Decision, Entry, Fault, Filtered, Mode, PageFault, Reason, Refusal, Registers, Return, UserMemory,
    Verdict, ADDRESS, PAGE, PAGE_SIZE, SEGV_MAPERR, SI_KERNEL, USER_END,
};

const MODES: [Mode; 3] = [Mode::Emulate, Mode::Xonly, Mode::None];
/// Linux's addresses, here once more as numbers.
const ENTRIES: [u64; 3] = [0xffffffffff600000, 0xffffffffff600400, 0xffffffffff600800];
const STACK: u64 = 0x7ffc_1234_5000;
const CALLER: u64 = 0x40_1007;
const BUFFER: u64 = 0x7ffc_1234_6000;
const ENOSYS: i64 = -38;
const EFAULT: i64 = -14;
const EPERM: i64 = -1;

/// A process whose only readable word is at [`STACK`].
struct Memory {
    return_address: u64,
    user: Range<u64>,
    reads: RefCell<Vec<u64>>,
}

impl Memory {
    fn returning_to(return_address: u64) -> Self {
        Memory { return_address, user: 0..USER_END, reads: RefCell::default() }
    }
}

impl UserMemory for Memory {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.reads.borrow_mut().push(address);
        (address == STACK).then_some(self.return_address)
    }

    fn is_user_range(&self, address: u64, length: u64) -> bool {
        address.checked_add(length).is_some_and(|end| self.user.start <= address && end <= self.user.end)
    }
}

/// Memory with the default range check.
struct DefaultRange;

impl UserMemory for DefaultRange {
    fn read_u64(&self, _: u64) -> Option<u64> {
        Some(CALLER)
    }
}

fn memory() -> Memory {
    Memory::returning_to(CALLER)
}

fn at(rip: u64) -> Registers {
    Registers { rax: 7, rdi: BUFFER, rsi: BUFFER + 64, rip, rsp: STACK }
}

fn page_fault(error_code: u64, address: u64) -> Fault {
    Fault::Page(PageFault { error_code, address })
}

fn fetch(address: u64) -> Fault {
    page_fault(USER | FETCH, address)
}

/// The decision for a jump to an address.
fn jump(mode: Mode, address: u64) -> Decision {
    decode(mode, fetch(address), &at(address), &memory())
}

/// The decision for a call in mode xonly.
fn called(registers: &Registers, memory: &dyn UserMemory) -> Decision {
    decode(Mode::Xonly, fetch(registers.rip), registers, memory)
}

fn performed(decision: Decision) -> Call {
    match decision {
        Decision::Perform(call) => call,
        other => panic!("not performed: {other:?}"),
    }
}

fn refused(decision: Decision) -> Refusal {
    match decision {
        Decision::Refuse(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn call_of(entry: Entry) -> Call {
    performed(jump(Mode::Xonly, entry.address()))
}

// The page.

#[test]
fn the_entries_are_linuxs() {
    assert_eq!(Entry::ALL.map(Entry::address), ENTRIES);
    assert_eq!(Entry::ALL.map(Entry::number), [96, 201, 309]);
    assert_eq!(Entry::ALL.map(|entry| Entry::at(entry.address())), Entry::ALL.map(Some));
}

#[test]
fn the_page_holds_three_functions_and_breakpoints() {
    let bytes = PAGE.as_bytes();
    assert_eq!(bytes.as_ptr() as usize % PAGE_SIZE, 0, "it has to be mapped");
    let mut expected = [0xcc; PAGE_SIZE];
    for (at, number) in [(0x000, 96u32), (0x400, 201), (0x800, 309)] {
        expected[at..at + 3].copy_from_slice(&[0x48, 0xc7, 0xc0]);
        expected[at + 3..at + 7].copy_from_slice(&number.to_le_bytes());
        expected[at + 7..at + 10].copy_from_slice(&[0x0f, 0x05, 0xc3]);
    }
    assert!(bytes[..] == expected[..]);
}

// Which faults are the page's.

#[test]
fn a_call_is_performed_in_the_two_modes_that_have_calls() {
    for mode in [Mode::Emulate, Mode::Xonly] {
        for entry in Entry::ALL {
            // Present: the page is mapped no-execute (emulate). Not present: it is not mapped (xonly).
            for bits in [USER | FETCH, USER | FETCH | PRESENT] {
                let decision = decode(mode, page_fault(bits, entry.address()), &at(entry.address()), &memory());
                let call = performed(decision);
                assert_eq!((call.entry(), call.number()), (entry, entry.number()));
            }
        }
    }
}

#[test]
fn a_fetch_is_known_by_the_instruction_pointer_where_the_processor_does_not_report_it() {
    let entry = Entry::Time.address();
    let call = performed(decode(Mode::Xonly, page_fault(USER, entry), &at(entry), &memory()));
    assert_eq!(call.entry(), Entry::Time);
}

#[test]
fn a_fetch_that_is_not_at_the_instruction_pointer_is_no_call() {
    for rip in [CALLER, ADDRESS + 0x400, ADDRESS - 1] {
        refused(decode(Mode::Xonly, fetch(ADDRESS), &at(rip), &memory()));
        assert_eq!(decode(Mode::Emulate, fetch(ADDRESS), &at(rip), &memory()), Decision::NotOurs);
    }
}

#[test]
fn mode_none_refuses_calls_and_reads() {
    for entry in Entry::ALL {
        let refusal = refused(jump(Mode::None, entry.address()));
        assert_eq!(refusal.reason, Reason::Disabled);
        assert_eq!((refusal.si_code(), refusal.si_addr()), (SEGV_MAPERR, entry.address()));
    }
    let read = decode(Mode::None, page_fault(USER, ADDRESS), &at(CALLER), &memory());
    assert_eq!(refused(read).reason, Reason::Disabled);
}

#[test]
fn a_read_is_refused_in_xonly() {
    for address in [ADDRESS, ADDRESS + 3, ADDRESS + 0x400, ADDRESS + 0xfff] {
        let refusal = refused(decode(Mode::Xonly, page_fault(USER, address), &at(CALLER), &memory()));
        assert_eq!(refusal.reason, Reason::Read);
        let shown = PageFault { error_code: USER | PRESENT, address };
        assert_eq!(refusal.page_fault, Some(shown), "the error code hides whether the page is present");
    }
}

#[test]
fn a_read_in_emulate_is_the_kernels_own_fault() {
    for bits in [USER, USER | PRESENT] {
        assert_eq!(decode(Mode::Emulate, page_fault(bits, ADDRESS), &at(CALLER), &memory()), Decision::NotOurs);
    }
}

#[test]
fn a_write_is_refused_in_every_mode() {
    for mode in MODES {
        for rip in [CALLER, ADDRESS] {
            let refusal = refused(decode(mode, page_fault(USER | WRITE | PRESENT, ADDRESS), &at(rip), &memory()));
            assert_eq!(refusal.reason, Reason::Write);
            assert_eq!((refusal.si_code(), refusal.si_addr()), (SEGV_MAPERR, ADDRESS));
        }
    }
}

#[test]
fn the_kernels_own_access_is_not_the_pages() {
    for mode in MODES {
        for bits in [0, FETCH, WRITE, PRESENT] {
            assert_eq!(decode(mode, page_fault(bits, ADDRESS), &at(ADDRESS), &memory()), Decision::NotOurs);
        }
    }
}

#[test]
fn broken_page_tables_are_not_the_pages() {
    let fault = page_fault(USER | FETCH | PRESENT | RESERVED, ADDRESS);
    assert_eq!(decode(Mode::Emulate, fault, &at(ADDRESS), &memory()), Decision::NotOurs);
}

#[test]
fn other_addresses_are_not_the_pages() {
    for address in [0, CALLER, ADDRESS - 1, ADDRESS + 0x1000, ADDRESS & (USER_END - 1), u64::MAX] {
        for mode in MODES {
            assert_eq!(jump(mode, address), Decision::NotOurs, "{address:#x}");
        }
    }
}

#[test]
fn only_the_three_addresses_are_entries() {
    for address in ADDRESS..ADDRESS + 0x1000 {
        let decision = jump(Mode::Emulate, address);
        if ENTRIES.contains(&address) {
            assert_eq!(performed(decision).entry().address(), address);
        } else {
            let refusal = refused(decision);
            assert_eq!(refusal.reason, Reason::NotAnEntry);
            assert_eq!((refusal.si_code(), refusal.si_addr()), (SI_KERNEL, 0));
        }
    }
}

// General protection: linear-address space separation.

#[test]
fn a_general_protection_fault_is_judged_by_the_instruction_pointer() {
    let fault = Fault::GeneralProtection { user_mode: true };
    for entry in Entry::ALL {
        let call = performed(decode(Mode::Xonly, fault, &at(entry.address()), &memory()));
        assert_eq!(call.entry(), entry);
    }
    assert_eq!(refused(decode(Mode::Xonly, fault, &at(ADDRESS + 1), &memory())).reason, Reason::NotAnEntry);
    let disabled = refused(decode(Mode::None, fault, &at(ADDRESS), &memory()));
    assert_eq!((disabled.reason, disabled.si_code(), disabled.si_addr()), (Reason::Disabled, SI_KERNEL, 0));
    for rip in [CALLER, ADDRESS - 1, ADDRESS + 0x1000] {
        assert_eq!(decode(Mode::Xonly, fault, &at(rip), &memory()), Decision::NotOurs, "perhaps a read of the page");
    }
    let kernel = Fault::GeneralProtection { user_mode: false };
    assert_eq!(decode(Mode::Xonly, kernel, &at(ADDRESS), &memory()), Decision::NotOurs);
}

// The stack.

#[test]
fn the_return_address_is_read_once_at_the_stack_pointer() {
    let memory = memory();
    let call = performed(called(&at(ADDRESS), &memory));
    assert_eq!(call.returned(0).map(|result| result.rip), Ok(CALLER));
    assert_eq!(*memory.reads.borrow(), [STACK]);
}

#[test]
fn an_unreadable_stack_is_refused() {
    let refusal = refused(called(&Registers { rsp: STACK + 8, ..at(ADDRESS) }, &memory()));
    assert_eq!(refusal, Refusal { reason: Reason::BadStack, page_fault: None });
    assert_eq!((refusal.si_code(), refusal.si_addr()), (SI_KERNEL, 0));
}

#[test]
fn a_stack_outside_of_user_space_is_not_even_read() {
    for rsp in [USER_END - 7, USER_END, 1 << 47, 1 << 63, ADDRESS, u64::MAX - 7, u64::MAX] {
        let memory = memory();
        let refusal = refused(called(&Registers { rsp, ..at(ADDRESS) }, &memory));
        assert_eq!(refusal.reason, Reason::BadStack, "{rsp:#x}");
        assert!(memory.reads.borrow().is_empty());
    }
}

#[test]
fn a_return_address_outside_of_user_space_is_refused() {
    for address in [USER_END, 1 << 47, 1 << 63, 0xffff_8000_0000_0000, Entry::Time.address(), u64::MAX] {
        let refusal = refused(called(&at(ADDRESS), &Memory::returning_to(address)));
        assert_eq!(refusal.reason, Reason::BadReturnAddress);
        assert_eq!(refusal.page_fault, Some(PageFault { error_code: USER | FETCH | PRESENT, address }));
    }
    for address in [0, 1, CALLER, USER_END - 1] {
        let call = performed(called(&at(ADDRESS), &Memory::returning_to(address)));
        assert_eq!(call.returned(0).map(|result| result.rip), Ok(address));
    }
}

// The pointers.

/// Each pointer argument with the length of what is written there.
const POINTERS: [(Entry, usize, u64); 5] = [
    (Entry::Gettimeofday, 0, 16),
    (Entry::Gettimeofday, 1, 8),
    (Entry::Time, 0, 8),
    (Entry::Getcpu, 0, 4),
    (Entry::Getcpu, 1, 4),
];

fn with_pointer(entry: Entry, argument: usize, pointer: u64) -> Registers {
    let mut registers = at(entry.address());
    *[&mut registers.rdi, &mut registers.rsi][argument] = pointer;
    registers
}

#[test]
fn a_pointer_outside_of_user_space_is_refused_as_the_write_to_it_would_be() {
    for (entry, argument, length) in POINTERS {
        for memory in [&memory() as &dyn UserMemory, &DefaultRange] {
            for pointer in [USER_END - length + 1, USER_END, 1 << 47, ADDRESS, u64::MAX - length + 1, u64::MAX] {
                let refusal = refused(called(&with_pointer(entry, argument, pointer), memory));
                let shown = PageFault { error_code: USER | WRITE, address: pointer };
                assert_eq!(refusal, Refusal { reason: Reason::BadPointer, page_fault: Some(shown) });
                assert_eq!((refusal.si_code(), refusal.si_addr()), (SEGV_MAPERR, pointer));
            }
            let call = performed(called(&with_pointer(entry, argument, USER_END - length), memory));
            assert_eq!(call.arguments()[argument], USER_END - length);
        }
    }
}

#[test]
fn of_two_bad_pointers_the_first_is_reported() {
    for entry in [Entry::Gettimeofday, Entry::Getcpu] {
        let registers = Registers { rdi: u64::MAX, rsi: u64::MAX - 1, ..at(entry.address()) };
        assert_eq!(refused(called(&registers, &memory())).si_addr(), u64::MAX);
    }
}

#[test]
fn a_bad_stack_is_reported_before_a_bad_pointer() {
    let registers = Registers { rsp: 0, rdi: u64::MAX, ..at(ADDRESS) };
    assert_eq!(refused(called(&registers, &memory())).reason, Reason::BadStack);
}

#[test]
fn null_pointers_are_passed_on_even_where_null_is_no_user_address() {
    let memory = Memory { user: 0x1_0000..USER_END, ..memory() };
    for entry in Entry::ALL {
        let registers = Registers { rdi: 0, rsi: 0, ..at(entry.address()) };
        assert_eq!(performed(called(&registers, &memory)).arguments(), [0; 3]);
    }
    let low = Registers { rdi: 8, ..at(ADDRESS) };
    assert_eq!(refused(called(&low, &memory)).si_addr(), 8);
}

#[test]
fn what_is_no_argument_of_time_is_not_looked_at() {
    let registers = Registers { rsi: u64::MAX, ..at(Entry::Time.address()) };
    assert_eq!(performed(called(&registers, &memory())).arguments(), [BUFFER, 0, 0]);
}

#[test]
fn getcpus_third_argument_is_zero() {
    assert_eq!(call_of(Entry::Getcpu).arguments(), [BUFFER, BUFFER + 64, 0]);
    assert_eq!(call_of(Entry::Gettimeofday).arguments(), [BUFFER, BUFFER + 64, 0]);
}

// The return.

#[test]
fn the_result_returns_to_the_caller() {
    for entry in Entry::ALL {
        for result in [0, 1_700_000_000, i64::MAX, EPERM, ENOSYS] {
            let expected = Return { rax: result as u64, rip: CALLER, rsp: STACK + 8 };
            assert_eq!(call_of(entry).returned(result), Ok(expected));
        }
    }
}

#[test]
fn a_system_call_that_met_a_bad_pointer_does_not_return() {
    for entry in Entry::ALL {
        let refusal = Refusal { reason: Reason::BadPointer, page_fault: None };
        assert_eq!(call_of(entry).returned(EFAULT), Err(refusal));
    }
}

// The filter.

/// After a filter, with the saved registers as the filter found them, or as `change` left them.
fn filtered(entry: Entry, verdict: Verdict, change: impl FnOnce(&mut Registers)) -> Filtered {
    let mut registers = Registers { rax: ENOSYS as u64, ..at(entry.address()) };
    change(&mut registers);
    call_of(entry).filtered(verdict, &registers)
}

fn allow(entry: Entry) -> Verdict {
    Verdict::Allow { number: entry.number() }
}

#[test]
fn a_filter_that_allows_the_call_changes_nothing() {
    for entry in Entry::ALL {
        assert_eq!(filtered(entry, allow(entry), |_| ()), Filtered::Perform(call_of(entry)));
    }
}

#[test]
fn a_filter_that_skips_the_call_returns_with_what_it_left_in_rax() {
    for entry in Entry::ALL {
        for rax in [ENOSYS, EPERM, EFAULT, 0, 12345] {
            let expected = Filtered::Return(Return { rax: rax as u64, rip: CALLER, rsp: STACK + 8 });
            assert_eq!(filtered(entry, Verdict::Skip, |registers| registers.rax = rax as u64), expected);
        }
    }
}

#[test]
fn a_tracer_that_sets_a_negative_number_skips_the_call() {
    let expected = Filtered::Return(Return { rax: ENOSYS as u64, rip: CALLER, rsp: STACK + 8 });
    for number in [u64::MAX, 0xffff_ffff, 0x8000_0000, i64::MIN as u64 | 0x8000_0000] {
        assert_eq!(filtered(Entry::Time, Verdict::Allow { number }, |_| ()), expected, "{number:#x}");
    }
}

#[test]
fn another_number_ends_the_process() {
    for entry in Entry::ALL {
        let numbers = [0, 59, entry.number() + 1, entry.number() | 1 << 32, 0x4000_0000 | entry.number(), 96, 201, 309];
        for number in numbers.into_iter().filter(|&number| number != entry.number()) {
            assert_eq!(filtered(entry, Verdict::Allow { number }, |_| ()), Filtered::Kill, "{number:#x}");
        }
    }
}

#[test]
fn another_address_ends_the_process_even_if_the_call_is_skipped() {
    for entry in Entry::ALL {
        for verdict in [allow(entry), Verdict::Skip, Verdict::Allow { number: u64::MAX }] {
            assert_eq!(filtered(entry, verdict, |registers| registers.rip += 0x400), Filtered::Kill);
            assert_eq!(filtered(entry, verdict, |registers| registers.rip = CALLER), Filtered::Kill);
        }
    }
}

#[test]
fn the_system_call_uses_the_arguments_that_a_tracer_left() {
    let filtered = filtered(Entry::Getcpu, allow(Entry::Getcpu), |registers| {
        (registers.rdi, registers.rsi) = (0x5000, 0x6000);
    });
    let Filtered::Perform(call) = filtered else { panic!("not performed: {filtered:?}") };
    assert_eq!(call.arguments(), [0x5000, 0x6000, 0]);
}

#[test]
fn every_reason_has_its_own_line_for_the_log() {
    let reasons = [
        Reason::Write,
        Reason::Read,
        Reason::Disabled,
        Reason::NotAnEntry,
        Reason::BadStack,
        Reason::BadReturnAddress,
        Reason::BadPointer,
    ];
    let lines: BTreeSet<_> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), reasons.len());
    assert!(lines.iter().all(|line| line.contains("vsyscall")));
}

// Any input.

fn address() -> impl Strategy<Value = u64> {
    let near = (prop::sample::select(vec![0, ADDRESS, ADDRESS + 0x1000, USER_END, 1 << 47, u64::MAX]), -16..=16i64)
        .prop_map(|(place, by)| place.wrapping_add_signed(by));
    prop_oneof![
        4 => prop::sample::select(ENTRIES.to_vec()),
        2 => (0..PAGE_SIZE as u64).prop_map(|offset| ADDRESS + offset),
        2 => near,
        2 => prop::sample::select(vec![STACK, BUFFER, CALLER]),
        1 => 0..USER_END,
        1 => any::<u64>(),
    ]
}

fn bits() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(USER | FETCH), 1 => Just(USER | FETCH | PRESENT), 2 => 0..64u64, 1 => any::<u64>()]
}

fn pointer() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(BUFFER), 1 => Just(0), 1 => address()]
}

prop_compose! {
    fn registers()(
        rax in any::<u64>(), rdi in pointer(), rsi in pointer(), rip in address(),
        rsp in prop_oneof![3 => Just(STACK), 1 => address()],
    ) -> Registers {
        Registers { rax, rdi, rsi, rip, rsp }
    }
}

/// A page fault, at the instruction pointer more often than not, or a general protection fault.
fn fault(rip: u64) -> impl Strategy<Value = Fault> {
    let address = prop_oneof![3 => Just(rip), 1 => address()];
    prop_oneof![
        4 => (bits(), address).prop_map(|(bits, address)| page_fault(bits, address)),
        1 => any::<bool>().prop_map(|user_mode| Fault::GeneralProtection { user_mode }),
    ]
}

/// Whether what the function at `rip` writes through its two arguments is user memory; lengths from the man pages.
fn writable(registers: &Registers) -> bool {
    let lengths = match registers.rip & 0xfff {
        0x000 => [16u128, 8],
        0x400 => [8, 0],
        _ => [4, 4],
    };
    let pointers = [registers.rdi, registers.rsi];
    pointers
        .iter()
        .zip(lengths)
        .all(|(&pointer, length)| length == 0 || u128::from(pointer) + length <= u128::from(USER_END))
}

/// All that must hold for a call to be performed.
fn acceptable(mode: Mode, fault: Fault, registers: &Registers, return_address: u64) -> bool {
    let user_fetch = match fault {
        Fault::Page(PageFault { error_code, address }) => {
            error_code & (USER | WRITE | RESERVED) == USER && address == registers.rip
        }
        Fault::GeneralProtection { user_mode } => user_mode,
    };
    let stack = registers.rsp == STACK && return_address < USER_END;
    mode != Mode::None && user_fetch && ENTRIES.contains(&registers.rip) && stack && writable(registers)
}

/// What must hold for every call, whatever the filter and the system call answer.
fn check_call(call: Call, registers: &Registers, return_address: u64, number: u64, result: i64) {
    assert_eq!(call.entry().address(), registers.rip);
    assert_eq!(call.arguments()[2], 0);
    let expected = |rax| Return { rax, rip: return_address, rsp: STACK + 8 };
    assert_eq!(call.returned(result).ok(), (result != EFAULT).then(|| expected(result as u64)));
    assert_eq!(call.filtered(Verdict::Skip, registers), Filtered::Return(expected(registers.rax)));
    match call.filtered(Verdict::Allow { number }, registers) {
        Filtered::Perform(same) => assert_eq!((same, number), (call, call.number())),
        Filtered::Return(result) => assert!((number as i32) < 0 && result == expected(registers.rax)),
        Filtered::Kill => assert!((number as i32) >= 0 && number != call.number()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_is_performed_exactly_if_every_check_holds(
        mode in prop::sample::select(MODES.to_vec()),
        (registers, fault) in registers().prop_flat_map(|registers| (Just(registers), fault(registers.rip))),
        return_address in prop_oneof![2 => Just(CALLER), 1 => address()],
        number in prop_oneof![prop::sample::select(vec![96u64, 201, 309]), any::<u64>()],
        result in prop_oneof![Just(0), Just(EFAULT), any::<i64>()],
    ) {
        let memory = Memory::returning_to(return_address);
        let decision = decode(mode, fault, &registers, &memory);
        prop_assert!(memory.reads.borrow().iter().all(|&read| read == registers.rsp && read <= USER_END - 8));
        let performed = matches!(decision, Decision::Perform(_));
        prop_assert_eq!(performed, acceptable(mode, fault, &registers, return_address), "{:?}", decision);
        match decision {
            Decision::Perform(call) => check_call(call, &registers, return_address, number, result),
            Decision::Refuse(refusal) => prop_assert!([SI_KERNEL, SEGV_MAPERR].contains(&refusal.si_code())),
            Decision::NotOurs => {}
        }
    }

    /// The default range check, against arithmetic that cannot wrap.
    #[test]
    fn a_user_range_ends_below_the_end_of_user_space(address in address(), length in address()) {
        let expected = u128::from(address) + u128::from(length) <= u128::from(USER_END);
        prop_assert_eq!(DefaultRange.is_user_range(address, length), expected);
    }
}
