//! The two encodings of a line: each architecture has one, and a reader never takes one for the other.

mod arch;
mod common;

use common::kernel::Kernel;
use common::pages::page;
use common::{ByOther, ByUsual, Counters, FINE};
use vvar::control::Control;
use vvar::memory::{Encoded, SplitLines, WideLines};
use vvar::page::{Encoding, LAYOUT};
use vvar::reader::identify;
use vvar::{Clock, CounterKind, Error, PageRead, Writer};

#[test]
fn architectures_have_their_encodings() {
    for &(name, encoding) in arch::ENCODINGS {
        assert_eq!(Encoding::of_architecture(name), Some(encoding), "{name}");
    }
    assert_eq!(Encoding::of_architecture("pdp11"), None);
    assert_eq!(Encoding::of_architecture(std::env::consts::ARCH), Some(Encoding::NATIVE));
    assert_eq!(Encoding::NATIVE.layout(), LAYOUT);
    assert_ne!(Encoding::Split.layout(), Encoding::Wide.layout());
}

#[test]
fn pages_are_native_unless_they_say_otherwise() {
    fn of<P: PageRead>(_: &P) -> Encoding {
        P::ENCODING
    }
    let page = page();
    assert_eq!(of(&page), Encoding::NATIVE);
    assert_eq!(of(&Encoded::<_, SplitLines>::new(page)), Encoding::Split);
    assert_eq!(of(&&Encoded::<_, WideLines>::new(page)), Encoding::Wide);
}

/// A page that `A` publishes, as `B` sees it: foreign, and every clock off.
fn foreign<A: Counters, B: Counters>() {
    let kernel = Kernel::<A>::set(A::TSC, 1_000_000, 1_790_000_000);
    assert_eq!(kernel.on(), Clock::ALL);
    let other = Encoded::<_, B>::new(kernel.page);
    let (layout, expected) = (A::ENCODING.layout(), B::ENCODING.layout());
    let error = identify(&other).expect_err("another encoding");
    assert_eq!(error, Error::ForeignPage { abi: vvar::page::ABI, layout, expected });
    assert!(error.to_string().contains(&format!("{expected:#018x}")), "{error}");
    assert_eq!(Writer::new(other).init(), Err(error));
    for clock in Clock::ALL {
        assert!(vvar::read(&other, &ByUsual::<B>::at(1_000_001), clock).is_err(), "{clock:?}");
        assert!(vvar::read(&other, &ByUsual::<A>::at(1_000_001), clock).is_err(), "{clock:?}");
    }
}

#[test]
fn page_of_the_other_encoding_is_not_read() {
    foreign::<SplitLines, WideLines>();
    foreign::<WideLines, SplitLines>();
}

/// The counter of another architecture: a line says so, and no machine of this encoding reads it.
fn other_counters<L: Counters, Foreign: Counters>() {
    for kind in [Foreign::USUAL, Foreign::OTHER] {
        let source = vvar::Source { kind, ..L::TSC };
        let kernel = Kernel::<L>::set(source, 1_000_000, 1_790_000_000);
        for clock in FINE {
            assert!(vvar::read(&kernel.memory, &ByUsual::<L>::at(1_000_001), clock).is_err(), "{clock:?} by {kind:?}");
            assert!(vvar::read(&kernel.memory, &ByOther::<L>::at(1_000_001), clock).is_err(), "{clock:?} by {kind:?}");
        }
        assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse]);
    }
}

#[test]
fn counters_of_the_other_encoding_are_not_read() {
    other_counters::<SplitLines, WideLines>();
    other_counters::<WideLines, SplitLines>();
}

#[test]
fn control_words_say_what_they_said() {
    let all = [Encoding::Split, Encoding::Wide].map(|it| arch::KNOWN.iter().map(move |known| (it, known)));
    for (encoding, &(kind, _, encodings, _)) in
        all.into_iter().flatten().filter(|(_, known)| known.0 != CounterKind::Off)
    {
        assert_eq!(kind.is_in(encoding), encodings.contains(&encoding), "{kind:?}");
        if !encodings.contains(&encoding) {
            let foreign = Control { kind, bits: 64, shift: 32 }.word(encoding);
            assert_eq!(Control::decode(foreign, encoding), None, "{kind:?}");
            continue;
        }
        for bits in 1..=64 {
            for shift in 0..=63 {
                let control = Control { kind, bits, shift };
                assert_eq!(Control::decode(control.word(encoding), encoding), Some(control));
                let hot = Control::wide_hot(control.word(encoding), kind);
                assert_eq!(hot, (encoding == Encoding::Wide && bits == 64).then_some(shift), "{control:?}");
                let hot = control.word(encoding) == Control::split_hot(kind);
                assert_eq!(hot, encoding == Encoding::Split && bits == 64 && shift == 32, "{control:?}");
            }
        }
        assert_eq!(Control::decode(Control::OFF, encoding), None);
    }
    let off = Control { kind: CounterKind::Off, bits: 64, shift: 32 };
    assert_eq!([Encoding::Split, Encoding::Wide].map(|encoding| off.word(encoding)), [Control::OFF; 2]);
}
