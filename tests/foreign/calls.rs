//! Every function for every kind of page: the checks of `vdso_tests::calls`, and the functions that have no page.

use std::collections::BTreeSet;
use vdso_tests::guest::{Argument, NULL};
use vdso_tests::{start, Emulated};

for_each_architecture! { functions_that_have_no_page_make_the_system_call }

macro_rules! calls_of {
    ([] $arch:ident emulated $own:tt) => {
        mod $arch {
            vdso_tests::call_tests! { vdso_tests::start!(&vdso_tests::arch::$arch::EMULATED) }
        }
    };
    ([] $arch:ident native $own:tt) => {};
}

mod clocks {
    vdso_tests::architectures! { calls_of [] }
}

/// With these and those of the other tests, every function of the image is called here.
fn functions_that_have_no_page_make_the_system_call(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for function in emulated.system_calls {
        let offset = emulated.architecture.image.symbol(function.function).expect("a function of the image");
        for pointers in [[Argument::Buffer(0), Argument::Buffer(1)], [NULL; 2]] {
            // As a third argument, flags: some that there are for a call that has any, and some that there are not.
            for flags in [0, 1, 2, -1] {
                let arguments = [pointers[0], pointers[1], Argument::Number(flags)];
                let mut calls = || (guest.call(offset, arguments), guest.system_call(function.number, arguments));
                // The guest's thread can be moved to another CPU between two calls, but not always.
                let same = (0..20).map(|_| calls()).find(|(ours, kernels)| ours == kernels);
                assert!(same.is_some(), "{}, {arguments:?}: {:?}", function.name, calls());
            }
        }
    }
    guest.finish();
    let called = emulated.system_calls.iter().map(|function| function.function).chain(emulated.functions.names());
    let exported = emulated.architecture.image.symbols.iter().map(|symbol| symbol.0);
    assert_eq!(called.collect::<BTreeSet<_>>(), exported.collect());
}
