//! Every function for every kind of page: the checks of `vdso_tests::calls`, and what these leave out.

use crate::guest::{start, Guest};
use crate::shared::{need_core, with_counter_function, COUNTER_FUNCTION};
use vdso_loongarch64::image;
use vdso_tests::calls::Calls;
use vdso_tests::guest::{Argument, End, NULL, UNWRITTEN};

/// The system call's number.
const GETCPU: usize = 168;

vdso_tests::call_tests! { start!() }

/// The image's counter, read without the page's hot path, which is the only one that the image itself has for it.
#[test]
fn the_images_counter_is_the_guests() {
    let core = need_core!();
    let counter = image::FUNCTION_FILES.iter().find(|(path, _)| *path == "arch/counter.rs").expect("the counter").1;
    let built = with_counter_function(counter).build().unwrap_or_else(|error| panic!("{error}"));
    let mut guest = match Guest::start_on(&built.image, core, &[]) {
        Ok(guest) => guest,
        Err(missing) => vdso_tests::skip!(missing),
    };
    for _ in 0..100 {
        let before = guest.counter();
        let end = guest.call(COUNTER_FUNCTION, [Argument::Buffer(0), NULL, NULL]);
        let after = guest.counter();
        let End::Returned { result: 1, buffers: [[hot, named], _] } = end else { panic!("{end:?}") };
        let [hot, named] = [hot, named].map(|counter| counter as u64);
        assert!(before <= hot && hot <= named && named <= after, "{before}, {hot}, {named}, {after}");
    }
    guest.finish();
}

/// The CPU can change between two calls, and the node with it: each is compared with what the kernel can say.
#[test]
fn getcpu_makes_the_system_call() {
    let mut guest = start!();
    let cpus = 0..std::thread::available_parallelism().map_or(1, usize::from).max(1024) as u32;
    for arguments in [
        [Argument::Buffer(0), Argument::Buffer(1), NULL],
        [Argument::Buffer(0), NULL, NULL],
        [NULL, Argument::Buffer(1), NULL],
        [NULL; 3],
        [Argument::Number(8), NULL, NULL],
    ] {
        let written = |end: End| match end {
            End::Returned { result, buffers } => {
                (result, buffers.map(|[word, next]| (word != UNWRITTEN, word >> 32, next)))
            }
            other => panic!("{other:?}"),
        };
        let ours = guest.call("__vdso_getcpu", arguments);
        if let (Argument::Buffer(0), End::Returned { buffers: [[cpu, _], _], .. }) = (arguments[0], ours) {
            assert!(cpus.contains(&(cpu as u32)), "{cpu}");
        }
        assert_eq!(written(ours), written(guest.system_call(GETCPU, arguments)), "{arguments:?}");
    }
    guest.finish();
}
