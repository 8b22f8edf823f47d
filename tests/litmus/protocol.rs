//! The tests: which calls meet each other, and which outcome must not be.
//!
//! What publish number n fills into a slot is n here, so a slot that is mixed from two publishes, or is another one than `seq`
//! names, shows. The numbers are those of the run: the page is empty before the first publish.

use super::slice::{Call, Words, AFTER_COUNTER, BEFORE_COUNTER, BRANCH_BEFORE_COUNTER};
use super::test::Litmus;
use super::thread::{Symbol, Thread};
use super::trace::{Traces, Window};
use super::writing::Written;
use std::ops::Range;
use vdso_tests::machine::{Access, Effect, Machine};
use vvar::page::wide::offset as field;
use vvar::page::{line_offset, offset};
use vvar::Clock;

/// A test.
pub(crate) struct Case {
    pub(crate) litmus: Litmus,
    /// A barrier is taken away: then the model must allow the outcome, or the test could not see the barrier.
    pub(crate) mutant: bool,
}

/// As `vvar::memory::Barrier` names them.
const SEQ_THEN_SLOT: &str = "SeqThenSlot";
const SLOT_THEN_SEQ: &str = "SlotThenSeq";
const SEQ_BEFORE_REUSE: &str = "SeqBeforeReuse";
const SLOT_BEFORE_SEQ: &str = "SlotBeforeSeq";
const FINE_BEFORE_COARSE: &str = "FineBeforeCoarse";
const SEQ_BEFORE_ON: &str = "SeqBeforeOn";
const DISABLE_MEETS_PUBLISH: &str = "DisableMeetsPublish";
/// The same, behind the control words of the lines that are switched on after the first.
const NEXT_LINE: &str = "DisableMeetsPublish of the next line";

/// The barriers of a call, in its order.
fn barriers(window: Window) -> Vec<&'static str> {
    let publish = [SEQ_BEFORE_REUSE, SLOT_BEFORE_SEQ, FINE_BEFORE_COARSE];
    let on = |clocks: usize| {
        let next_lines = std::iter::repeat_n(NEXT_LINE, clocks - 1);
        publish.into_iter().chain([SEQ_BEFORE_ON, DISABLE_MEETS_PUBLISH]).chain(next_lines).collect()
    };
    match window {
        Window::First => on(Clock::ALL.len()),
        Window::Step => on(Clock::FOLLOW_REALTIME.count_ones() as usize),
        Window::Publish | Window::PublishAgain => publish.to_vec(),
        Window::Disable => vec![DISABLE_MEETS_PUBLISH],
        _ => vec![SEQ_THEN_SLOT, SLOT_THEN_SEQ],
    }
}

/// The number of a publish, which is the `seq` that it stores.
fn number(window: Window) -> Option<u64> {
    match window {
        Window::First => Some(1),
        Window::Publish => Some(2),
        Window::PublishAgain => Some(3),
        Window::Step => Some(4),
        _ => None,
    }
}

const SEQ: u64 = line_offset::SEQ as u64;
const CTL: u64 = line_offset::CTL as u64;
const LINE: u64 = 64;

/// The words of a slot: the place of both slots' words in the line.
const SLOT: [Range<u64>; 4] = [both(field::CYC, 8), both(field::MULT, 4), both(field::BASE, 8), both(field::SEC, 8)];

const fn both(start: usize, size: usize) -> Range<u64> {
    start as u64..(start + 2 * size) as u64
}

/// A message from one program to another, and the counter. Nothing in the runs is at these addresses.
const MESSAGE: Symbol = Symbol { name: "message", start: 8, bytes: 4 };
const COUNTER: Symbol = Symbol { name: "counter", start: 16, bytes: 8 };

fn is_line(symbol: &Symbol) -> bool {
    symbol.bytes == LINE
}

fn no_word(_: &Symbol, _: u64) -> bool {
    false
}

fn seq_and_control(symbol: &Symbol, offset: u64) -> bool {
    is_line(symbol) && (offset == SEQ || offset == CTL)
}

fn in_slot(symbol: &Symbol, offset: u64) -> bool {
    is_line(symbol) && SLOT.iter().any(|it| it.contains(&offset))
}

/// Whether a word of the page belongs to a slot of some line.
fn in_any_slot(at: u64) -> bool {
    let lines = offset::LINES as u64..offset::EXTENSIONS as u64;
    lines.contains(&at) && SLOT.iter().any(|it| it.contains(&((at - lines.start) % LINE)))
}

/// `seq`, the control word, and the words of the slot that a reader of a fine clock loads first and last. Those between have the
/// same barriers before them and behind them, and would cost the checker hours.
fn outer_words(symbol: &Symbol, offset: u64) -> bool {
    seq_and_control(symbol, offset) || (is_line(symbol) && [&SLOT[0], &SLOT[3]].iter().any(|it| it.contains(&offset)))
}

/// As [`outer_words`], for a coarse clock.
fn coarse_words(symbol: &Symbol, offset: u64) -> bool {
    seq_and_control(symbol, offset) || (is_line(symbol) && [&SLOT[2], &SLOT[3]].iter().any(|it| it.contains(&offset)))
}

fn control_and_mark(symbol: &Symbol, offset: u64) -> bool {
    !is_line(symbol) || offset == CTL
}

/// A line at the start of a test, in words of 4 bytes.
fn line_words(seq: i64, ctl: i64, slots: [i64; 2]) -> Vec<i64> {
    let mut words = vec![0; LINE as usize / 4];
    words[SEQ as usize / 4] = seq;
    words[CTL as usize / 4] = ctl;
    for both in SLOT {
        let size = (both.end - both.start) / 2;
        for (slot, value) in (0..).zip(slots) {
            words[(both.start + slot * size) as usize / 4] = value;
        }
    }
    words
}

/// What a test is made from besides its calls.
struct Setting<'a> {
    symbols: &'a [Symbol],
    words: Words,
    without: &'a [&'static str],
}

impl<'a> Setting<'a> {
    /// A test without the barriers of the publish that other tests are for: in the machine's code they would order what the
    /// test's own barriers are to order.
    fn other_barriers(mutant: Option<&'static str>, more: &[&'static str]) -> Vec<&'static str> {
        let others = [FINE_BEFORE_COARSE, DISABLE_MEETS_PUBLISH, NEXT_LINE];
        mutant.into_iter().chain(others).chain(more.iter().copied()).collect()
    }

    fn new(symbols: &'a [Symbol], words: Words, without: &'a [&'static str]) -> Setting<'a> {
        Setting { symbols, words, without }
    }
}

struct Cases<'a> {
    machine: &'a dyn Machine,
    traces: &'a Traces,
    all: Vec<Case>,
}

/// Every test of an architecture, each with its mutants.
///
/// # Errors
///
/// The traces are not such as the tests are made for.
pub(crate) fn cases(machine: &dyn Machine, traces: &Traces) -> Result<Vec<Case>, String> {
    let mut cases = Cases { machine, traces, all: Vec::new() };
    for (clock, window, words) in [
        (Clock::Monotonic, Window::ReadMonotonic, outer_words as Words),
        (Clock::MonotonicCoarse, Window::ReadMonotonicCoarse, coarse_words),
    ] {
        for mutant in [None, Some(SLOT_THEN_SEQ), Some(SEQ_BEFORE_REUSE), Some(SLOT_BEFORE_SEQ)] {
            cases.torn(clock, window, words, mutant)?;
        }
    }
    for (clock, window, words) in [
        (Clock::Realtime, Window::ReadRealtime, outer_words as Words),
        (Clock::MonotonicCoarse, Window::ReadMonotonicCoarseEven, coarse_words),
    ] {
        for mutant in [None, Some(SEQ_BEFORE_ON)] {
            cases.first(clock, window, words, mutant)?;
        }
    }
    for mutant in [None, Some(SEQ_THEN_SLOT), Some(SLOT_BEFORE_SEQ)] {
        cases.off_before_seq(mutant)?;
    }
    let (realtime, tai) = ((Clock::Realtime, Window::ReadRealtime), (Clock::Tai, Window::ReadTai));
    for mutant in [None, Some(SLOT_BEFORE_SEQ), Some(SEQ_BEFORE_ON)] {
        cases.step("step-realtime-then-tai", [realtime, tai], mutant)?;
    }
    cases.step("step-tai-then-realtime", [tai, realtime], None)?;
    for mutant in [None, Some(FINE_BEFORE_COARSE)] {
        cases.coarse_then_fine(mutant)?;
    }
    for mutant in [None, Some("release")] {
        cases.message(mutant)?;
    }
    for mutant in [None, Some("acquire-and-barriers")] {
        cases.relay(mutant)?;
    }
    for mutant in
        [None, Some(BEFORE_COUNTER)].into_iter().chain(machine.branch_orders().then_some(Some(BRANCH_BEFORE_COUNTER)))
    {
        cases.counter_after_control(mutant)?;
    }
    for mutant in [None, Some(AFTER_COUNTER)] {
        cases.slot_after_counter(mutant)?;
    }
    for mutant in [None, Some(DISABLE_MEETS_PUBLISH)] {
        cases.disable(mutant)?;
    }
    Ok(cases.all)
}

impl Cases<'_> {
    fn line(&self, clock: Clock) -> Symbol {
        let name = match clock {
            Clock::Realtime => "realtime",
            Clock::Tai => "tai",
            clock if clock.is_coarse() => "coarse",
            _ => "fine",
        };
        Symbol { name, start: self.traces.page + (offset::LINES + clock.id() * LINE as usize) as u64, bytes: LINE }
    }

    /// The control word of a clock's line that is on, as its reader has loaded it.
    fn on(&self, clock: Clock) -> Result<i64, String> {
        let window = match clock {
            Clock::Realtime => Window::ReadRealtime,
            Clock::Tai => Window::ReadTai,
            clock if clock.is_coarse() => Window::ReadMonotonicCoarse,
            _ => Window::ReadMonotonic,
        };
        let at = self.line(clock).start + CTL;
        let steps = self.traces.of(window);
        for (step, next) in steps.iter().zip(steps.get(1..).unwrap_or(&[])) {
            for effect in self.machine.effects(&step.instruction, step.taken)? {
                match effect {
                    Effect::Access { access: Access::Load { to }, address, .. } if step.address(&address) == at => {
                        return Ok(self.machine.constant(next.register(to)) as i64);
                    }
                    _ => {}
                }
            }
        }
        Err(format!("{clock:?} is read without a load of its control word"))
    }

    fn call<'a>(&'a self, window: Window, setting: &Setting<'a>) -> Call<'a> {
        let number = number(window);
        Call {
            steps: self.traces.of(window),
            symbols: setting.symbols,
            words: setting.words,
            own: if number.is_some() { seq_and_control } else { no_word },
            colour: number.map(|it| (it, in_slot as Words)),
            varies: in_any_slot,
            counter: None,
            barriers: barriers(window),
            without: setting.without,
            until: None,
            reads: number.is_none(),
        }
    }

    fn thread(&self) -> Thread<'_> {
        Thread::new(self.machine, self.traces.page)
    }

    /// A thread of these calls.
    fn calls(&self, windows: &[Window], setting: &Setting) -> Result<Thread<'_>, String> {
        let mut thread = self.thread();
        for window in windows {
            thread.call(&self.call(*window, setting))?;
        }
        Ok(thread)
    }

    fn add(
        &mut self,
        name: &str,
        mutant: Option<&str>,
        comment: &str,
        memory: Vec<(Symbol, Vec<i64>)>,
        threads: Vec<Written>,
        outcome: String,
    ) {
        let suffix = mutant.map_or(String::new(), |it| format!("-without-{it}"));
        let litmus = Litmus { name: format!("{name}{suffix}"), comment: comment.to_owned(), memory, threads, outcome };
        self.all.push(Case { litmus, mutant: mutant.is_some() });
    }

    /// Two publishes, of which the second fills the slot that a reader may still be at.
    fn torn(&mut self, clock: Clock, window: Window, words: Words, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(clock);
        let without = Setting::other_barriers(mutant, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, words, &without);
        let publisher = self.calls(&[Window::Publish, Window::PublishAgain], &setting)?.write("out0")?;
        let reader = self.calls(&[window], &setting)?.write("out1")?;
        let whole: Vec<String> = (1..=3).map(|it| whole(1, &reader, 0, &line, it)).collect();
        let outcome = format!("1:{}=1 /\\ ~({})", reader.accepted, whole.join(" \\/ "));
        self.add(
            if clock.is_coarse() { "torn-coarse" } else { "torn" },
            mutant,
            "Publishes 2 and 3 meet a reader. The outcome is a time that is accepted and is mixed from words of several\n\
             publishes, or is of another publish than seq says.",
            vec![(line, line_words(1, self.on(clock)?, [0, 1]))],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// The first publish, of an empty page.
    fn first(
        &mut self,
        clock: Clock,
        window: Window,
        words: Words,
        mutant: Option<&'static str>,
    ) -> Result<(), String> {
        let line = self.line(clock);
        let without = Setting::other_barriers(mutant, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, words, &without);
        let publisher = self.calls(&[Window::First], &setting)?.write("out0")?;
        let reader = self.calls(&[window], &setting)?.write("out1")?;
        let outcome = format!("1:{}=1 /\\ ~({})", reader.accepted, whole(1, &reader, 0, &line, 1));
        self.add(
            if clock.is_coarse() { "first-coarse" } else { "first" },
            mutant,
            "Publish 1 switches a line on. The outcome is a time that is accepted from a slot that is not filled yet.",
            vec![(line, line_words(0, 0, [0, 0]))],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// A publish that steps, and stops before it switches its lines on again.
    fn off_before_seq(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(Clock::Realtime);
        let without = Setting::other_barriers(mutant, &[SEQ_BEFORE_REUSE]);
        let symbols = [line];
        let setting = Setting::new(&symbols, seq_and_control, &without);
        let mut publisher = self.thread();
        publisher.call(&Call { until: Some(SEQ_BEFORE_ON), ..self.call(Window::Step, &setting) })?;
        let (publisher, reader) =
            (publisher.write("out0")?, self.calls(&[Window::ReadRealtime], &setting)?.write("out1")?);
        let outcome = format!("1:{}=1 /\\ 1:{}=4", reader.accepted, loaded(&reader, 0, &line, SEQ)?);
        self.add(
            "off-before-seq",
            mutant,
            "Publish 4, a step, has switched the line off and moved its seq, and stops there. The outcome is a reader with the\n\
             new seq and the old control word: it would take the new slot by the old word.",
            vec![(line, line_words(3, self.on(Clock::Realtime)?, [2, 3]))],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// A publish that steps two clocks.
    fn step(&mut self, name: &str, clocks: [(Clock, Window); 2], mutant: Option<&'static str>) -> Result<(), String> {
        let without = Setting::other_barriers(mutant, &[SEQ_BEFORE_REUSE]);
        let symbols = clocks.map(|(clock, _)| self.line(clock));
        let setting = Setting::new(&symbols, seq_and_control, &without);
        let publisher = self.calls(&[Window::Step], &setting)?.write("out0")?;
        let reader = self.calls(&clocks.map(|(_, window)| window), &setting)?.write("out1")?;
        let outcome = format!(
            "1:{}=1 /\\ 1:{}=4 /\\ 1:{}=3",
            reader.accepted,
            loaded(&reader, 0, &symbols[0], SEQ)?,
            loaded(&reader, 1, &symbols[1], SEQ)?
        );
        let line = |(clock, _): &(Clock, Window)| Ok((self.line(*clock), line_words(3, self.on(*clock)?, [2, 3])));
        let memory = clocks.iter().map(line).collect::<Result<_, String>>()?;
        self.add(
            name,
            mutant,
            "Publish 4 steps two clocks, which a reader reads one after the other. The outcome is the first one from after the\n\
             step and the second one from before it.",
            memory,
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    fn coarse_then_fine(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let clocks = [Clock::MonotonicCoarse, Clock::Monotonic];
        let symbols = clocks.map(|clock| self.line(clock));
        let without = Vec::from_iter(mutant);
        let setting = Setting::new(&symbols, seq_and_control, &without);
        let publisher = self.calls(&[Window::Publish], &setting)?.write("out0")?;
        let reads = [Window::ReadMonotonicCoarseEven, Window::ReadMonotonic];
        let reader = self.calls(&reads, &setting)?.write("out1")?;
        let outcome = format!(
            "1:{}=1 /\\ 1:{}=2 /\\ 1:{}=1",
            reader.accepted,
            loaded(&reader, 0, &symbols[0], SEQ)?,
            loaded(&reader, 1, &symbols[1], SEQ)?
        );
        let line = |clock: &Clock| Ok((self.line(*clock), line_words(1, self.on(*clock)?, [0, 1])));
        let memory = clocks.iter().map(line).collect::<Result<_, String>>()?;
        self.add(
            "coarse-then-fine",
            mutant,
            "A reader reads the coarse clock and then the fine one. The outcome is a coarse time of publish 2 and a fine one from\n\
             before it.",
            memory,
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// Who is told of a publish sees it.
    fn message(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(Clock::Monotonic);
        let without = Setting::other_barriers(None, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, outer_words, &without);
        let mut publisher = self.calls(&[Window::Publish], &setting)?;
        match mutant {
            None => publisher.send(MESSAGE, 1),
            Some(_) => publisher.store(MESSAGE, 1),
        }
        let mut reader = self.thread();
        reader.receive(MESSAGE);
        reader.call(&self.call(Window::ReadMonotonic, &setting))?;
        let (publisher, reader) = (publisher.write("out0")?, reader.write("out1")?);
        let (received, whole) = (loaded(&reader, 0, &MESSAGE, 0)?, whole(1, &reader, 1, &line, 2));
        let outcome = format!("1:{}=1 /\\ 1:{received}=1 /\\ ~({whole})", reader.accepted);
        self.add(
            "message",
            mutant,
            "Publish 2, then a message, which a program has received (acquire) before it reads. The outcome is an older time.",
            vec![(line, line_words(1, self.on(Clock::Monotonic)?, [0, 1])), (MESSAGE, vec![0])],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// Time does not go back from one program to another.
    fn relay(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(Clock::Monotonic);
        let without = Setting::other_barriers(None, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, seq_and_control, &without);
        let publisher = self.calls(&[Window::Publish], &setting)?.write("out0")?;
        let mut first = self.calls(&[Window::ReadMonotonic], &setting)?;
        first.send(MESSAGE, 1);
        let mut second = self.thread();
        if mutant.is_none() {
            second.receive(MESSAGE);
            second.call(&self.call(Window::ReadMonotonic, &setting))?;
        } else {
            // The reader's own barriers too: they hold its second load of seq back behind the message.
            let none = [SEQ_THEN_SLOT, SLOT_THEN_SEQ, BEFORE_COUNTER, AFTER_COUNTER];
            second.load(MESSAGE);
            second.call(&self.call(Window::ReadMonotonic, &Setting { without: &none, ..setting }))?;
        }
        let (first, second) = (first.write("out1")?, second.write("out2")?);
        let outcome = format!(
            "1:{}=1 /\\ 1:{}=2 /\\ 2:{}=1 /\\ 2:{}=1 /\\ 2:{}=1",
            first.accepted,
            loaded(&first, 0, &line, SEQ)?,
            second.accepted,
            loaded(&second, 0, &MESSAGE, 0)?,
            loaded(&second, 1, &line, SEQ)?
        );
        self.add(
            "relay",
            mutant,
            "A program reads a time of publish 2 and sends a message; another receives it (acquire) and reads. The outcome is an\n\
             older time there.",
            vec![(line, line_words(1, self.on(Clock::Monotonic)?, [0, 1])), (MESSAGE, vec![0])],
            vec![publisher, first, second],
            outcome,
        );
        Ok(())
    }

    /// The counter is not read before the control word is loaded.
    fn counter_after_control(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(Clock::Monotonic);
        let without = Setting::other_barriers(mutant, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, seq_and_control, &without);
        let mut publisher = self.thread();
        publisher.store(COUNTER, 2);
        publisher.call(&self.call(Window::First, &setting))?;
        let mut reader = self.thread();
        reader.call(&Call { counter: Some(COUNTER), ..self.call(Window::ReadMonotonic, &setting) })?;
        let (publisher, reader) = (publisher.write("out0")?, reader.write("out1")?);
        let (control, counter) = (loaded(&reader, 0, &line, CTL)?, loaded(&reader, 0, &COUNTER, 0)?);
        let outcome = format!("1:{control}={} /\\ 1:{counter}=1", self.on(Clock::Monotonic)?);
        self.add(
            "counter-after-control",
            mutant,
            "The counter goes on, then publish 1 switches the line on. The outcome is a reader that sees the line on and reads\n\
             the counter as it was before.",
            vec![(line, line_words(0, 0, [0, 0])), (COUNTER, vec![1])],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// The slot is not loaded before the counter is read.
    fn slot_after_counter(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let line = self.line(Clock::Monotonic);
        let without = Setting::other_barriers(mutant, &[]);
        let symbols = [line];
        let setting = Setting::new(&symbols, outer_words, &without);
        let mut publisher = self.calls(&[Window::Publish, Window::PublishAgain], &setting)?;
        publisher.fence();
        publisher.store(COUNTER, 2);
        let mut reader = self.thread();
        reader.call(&Call { counter: Some(COUNTER), ..self.call(Window::ReadMonotonic, &setting) })?;
        let (publisher, reader) = (publisher.write("out0")?, reader.write("out1")?);
        let (seq, counter) = (loaded(&reader, 0, &line, SEQ)?, loaded(&reader, 0, &COUNTER, 0)?);
        let old: Vec<String> = slot_words(&reader, 0, &line).iter().map(|it| format!("1:{it}=1")).collect();
        let outcome = format!("1:{seq}=1 /\\ 1:{counter}=2 /\\ ({})", old.join(" \\/ "));
        self.add(
            "slot-after-counter",
            mutant,
            "Publishes 2 and 3, then the counter goes on. The outcome is a reader at the slot that publish 3 has filled again,\n\
             with the counter's new value and a word of the slot's old content, whether it accepts it or not.",
            vec![(line, line_words(1, self.on(Clock::Monotonic)?, [0, 1])), (COUNTER, vec![1])],
            vec![publisher, reader],
            outcome,
        );
        Ok(())
    }

    /// A line that is disabled while a publish switches it on.
    fn disable(&mut self, mutant: Option<&'static str>) -> Result<(), String> {
        let (line, disabled) = (self.line(Clock::Realtime), self.disabled()?);
        let symbols = [line, disabled];
        let without = Vec::from_iter(mutant);
        let setting = Setting::new(&symbols, control_and_mark, &without);
        let mut publisher = self.thread();
        publisher.call(&Call { until: Some(NEXT_LINE), ..self.call(Window::First, &setting) })?;
        let mut disabling = self.thread();
        let all = Setting::new(&symbols, control_and_mark, &[]);
        disabling.call(&Call { reads: false, ..self.call(Window::Disable, &all) })?;
        let (publisher, disabling) = (publisher.write("out0")?, disabling.write("out1")?);
        let outcome = format!(
            "0:{}=1 /\\ 1:{}=1 /\\ {}[{}]={}",
            publisher.accepted,
            disabling.accepted,
            line.name,
            CTL / 4,
            self.on(Clock::Realtime)?
        );
        self.add(
            "disable",
            mutant,
            "Publish 1 switches a line on and looks at the mark; who disables it sets the mark and switches the line off. The\n\
             outcome is a line that stays on.",
            vec![(line, line_words(0, 0, [0, 0])), (disabled, vec![0])],
            vec![publisher, disabling],
            outcome,
        );
        Ok(())
    }

    /// The writer's word that marks disabled clocks: the one that `disable` modifies.
    fn disabled(&self) -> Result<Symbol, String> {
        for step in self.traces.of(Window::Disable) {
            for effect in self.machine.effects(&step.instruction, step.taken)? {
                let Effect::Access { access, address, .. } = effect else { continue };
                if matches!(access, Access::Modify { .. } | Access::LoadExclusive { .. }) {
                    return Ok(Symbol { name: "disabled", start: step.address(&address), bytes: 4 });
                }
            }
        }
        Err("disabling modifies no word of the writer's".to_owned())
    }
}

/// The register that a call has loaded a word into.
fn loaded<'a>(thread: &'a Written, call: usize, symbol: &Symbol, offset: u64) -> Result<&'a str, String> {
    let found = thread.loaded(call, symbol, offset..offset + 1);
    found.ok_or_else(|| format!("call {call} does not load {}+{offset:#x}", symbol.name))
}

/// The registers that a reader has loaded words of a slot into, whichever slot it was.
fn slot_words<'a>(reader: &'a Written, call: usize, line: &Symbol) -> Vec<&'a str> {
    SLOT.iter().filter_map(|both| reader.loaded(call, line, both.clone())).collect()
}

/// The condition that the reader's `seq` and its words of the slot are all of publish `number`.
fn whole(thread: usize, reader: &Written, call: usize, line: &Symbol, number: u64) -> String {
    let registers = reader.loaded(call, line, SEQ..SEQ + 1).into_iter().chain(slot_words(reader, call, line));
    let equal: Vec<String> = registers.map(|it| format!("{thread}:{it}={number}")).collect();
    format!("({})", equal.join(" /\\ "))
}
