//! Images for each page size that the processor has, beside that of the image that ships: built here from the shipped manifest
//! and sources, put into the types that a kernel puts them into, and called.
//!
//! QEMU's user mode maps by the host's pages. An image for larger ones runs with those too, if it lies where it would lie with
//! its own: at a multiple of its page size, with the data page at its distance.

use crate::core_library::{self, NoCore};
use std::collections::BTreeSet;
use std::path::Path;
use vdso_image::bytes::{Page16K, Page4K, Page64K, PageAligned};
use vdso_linker::inspect::inspect;
use vdso_linker::{Build, CrateSource, Manifest, PageAbi};
use vdso_tests::clocks::is_the_pages;
use vdso_tests::guest::{Argument, Guest, GuestImage, BASE, NULL};
use vdso_tests::{skip, workspace, Architecture, Emulated};
use vvar::page::Encoding;
use vvar::{Clock, Writer};

for_each_architecture! { an_image_for_each_page_size_runs }

/// The shipped manifest with another page size.
fn manifest(architecture: &Architecture, page_size: usize) -> Manifest {
    let path = workspace().join("vdso-image/arch").join(architecture.name()).join("vdso.toml");
    let text = std::fs::read_to_string(&path).expect("the manifest that ships");
    let shipped = format!("page-size = {}\n", architecture.image.page_size);
    assert_eq!(text.matches(&shipped).count(), 1, "{}", path.display());
    Manifest::parse(&text.replace(&shipped, &format!("page-size = {page_size}\n")), &path).expect("a good manifest")
}

fn build(architecture: &Architecture, manifest: Manifest, sysroot: Option<&Path>) -> Vec<u8> {
    let encoding = Encoding::of_architecture(architecture.name()).expect("an architecture with an image");
    let mut build = Build::new(manifest)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .page_abi(PageAbi { abi: vvar::page::ABI, layout: encoding.layout() });
    if let Some(sysroot) = sysroot {
        build = build.sysroot(sysroot);
    }
    build.build().unwrap_or_else(|error| panic!("{error}")).image
}

/// A type for whole pages, whatever its page.
trait Pages {
    fn bytes(&self) -> &[u8];
}

impl<const N: usize, A> Pages for PageAligned<N, A> {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// One page of this size with the image in it, as a kernel has it in a `static`.
fn padded(image: &[u8], page_size: usize) -> Box<dyn Pages> {
    let pages: Box<dyn Pages> = match page_size {
        0x1000 => Box::new(PageAligned::<0x1000, Page4K>::padded(image)),
        0x4000 => Box::new(PageAligned::<0x4000, Page16K>::padded(image)),
        0x10000 => Box::new(PageAligned::<0x10000, Page64K>::padded(image)),
        other => panic!("vdso-image has no type for pages of {other} bytes"),
    };
    let bytes = pages.bytes();
    assert_eq!((bytes.len(), bytes.as_ptr() as usize % page_size), (page_size, 0), "a whole page, where pages start");
    let (start, padding) = bytes.split_at(image.len());
    assert!(start == image && padding.iter().all(|&byte| byte == 0), "the image, then zeroes");
    pages
}

fn an_image_for_each_page_size_runs(emulated: &'static Emulated) {
    let architecture = emulated.architecture;
    let shipped = architecture.image.page_size;
    let arch = manifest(architecture, shipped).image.arch;
    let sizes: BTreeSet<usize> = arch.page_sizes().iter().map(|&size| size as usize).collect();
    assert_eq!(sizes.first(), Some(&shipped), "the image that ships is for the smallest pages");
    for page_size in sizes {
        let target = arch.target();
        let sysroot = match core_library::sysroot(target, &core_library::folder().join("foreign").join(target)) {
            Ok(sysroot) => sysroot,
            Err(error) if error.is::<NoCore>() => skip!(error.to_string()),
            Err(error) => panic!("{error:#}"),
        };
        let manifest = manifest(architecture, page_size);
        let vvar_offset = manifest.vvar_offset();
        assert_eq!((vvar_offset, BASE % page_size as u64), (-(page_size as i64), 0), "both at the start of a page");
        let file = build(architecture, manifest, sysroot.as_deref());
        let shipped_bytes = &architecture.image.bytes[..architecture.image.size];
        assert_eq!(
            page_size == shipped,
            file == shipped_bytes,
            "the shipped image, and no other, is for {shipped} bytes"
        );
        let pages = padded(&file, page_size);
        let facts = inspect(&file).expect("an ELF file");
        let symbols = facts.symbols.into_iter().map(|symbol| (symbol.name, symbol.value as usize)).collect();
        let image = GuestImage { bytes: pages.bytes(), page_size, vvar_offset, symbols };
        match Guest::start_on(emulated, &image, &[]) {
            Ok(guest) => call_every_function(guest, &image),
            Err(missing) => skip!(missing),
        }
    }
}

/// Each of them on a page that tells the time, with an answer that only the page could give, or the kernel's.
fn call_every_function(mut guest: Guest, image: &GuestImage) {
    let page_size = image.page_size;
    let _clocks = guest.publisher.go_live(guest.emulated.hot, 0);
    Writer::new(guest.publisher.page()).set_resolution(2, 10_000_000);
    let functions = guest.functions;
    for clock in Clock::ALL {
        let arguments = [Argument::Number(clock.id() as i64), Argument::Buffer(0), NULL];
        let before = guest.publisher.page_time(clock);
        let ours = guest.call(functions.clock_gettime, arguments).time().expect("a clock of the page");
        let after = guest.publisher.page_time(clock);
        assert!(before <= ours && ours <= after, "{page_size}, {clock:?}: {before}, {ours}, {after}");
        let resolution = if clock.is_coarse() { 10_000_000 } else { 2 };
        assert_eq!(guest.call(functions.clock_getres, arguments).time(), Ok(resolution), "{page_size}, {clock:?}");
    }
    // A timeval: microseconds.
    let ours = guest.call(functions.gettimeofday, [Argument::Buffer(0), NULL, NULL]).time().expect("a time");
    let (sec, usec) = (ours / 1_000_000_000, ours % 1_000_000_000);
    assert!(is_the_pages(Clock::Realtime, sec * 1_000_000_000 + usec * 1000), "{page_size}: {sec} s, {usec} us");
    for function in guest.emulated.system_calls {
        let kernels = guest.system_call(function.number, [NULL; 3]);
        assert_eq!(guest.call(image.function(function.function), [NULL; 3]), kernels, "{page_size}, {}", function.name);
    }
    // A signal's handler returns by the trampoline, and an unwinder gets out of it.
    for described in [false, true] {
        let answer = guest.unwind('u', described);
        let [found, returns_to, value, frames @ ..] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(found != "0", described, "{page_size}: whether the description was found");
        assert_eq!(*returns_to, format!("{:#x}", BASE + functions.rt_sigreturn as u64), "{page_size}");
        assert!(value == "9001" && frames.len() >= 5, "{page_size}: {answer:?}");
    }
    guest.finish();
}
