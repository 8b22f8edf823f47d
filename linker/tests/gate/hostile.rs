//! Bytes that are broken by chance: gate and inspection return, whatever they read.
//!
//! A panic, an endless loop or a stack overflow fails the test; what they say of the bytes does not matter here.

use crate::fixture::{architectures, good, manifest, PAGE};
use vdso_linker::gate;
use vdso_linker::inspect::inspect;
use vdso_linker::manifest::Manifest;
use vdso_tests::random::Random;

fn survives(bytes: &[u8], manifest: &Manifest) {
    let report = gate::check(bytes, manifest, Some(PAGE));
    assert!(report.to_string().starts_with("gate: "));
    match inspect(bytes) {
        Ok(facts) => assert!(facts.to_string().starts_with("ELF")),
        Err(error) => assert!(error.to_string().contains("remedy")),
    }
}

#[test]
fn every_truncation() {
    for &arch in architectures() {
        let (image, manifest) = (good(arch), manifest(arch, &[]));
        for length in 0..image.len() {
            let report = gate::check(&image[..length], &manifest, Some(PAGE));
            assert!(!report.is_accepted(), "accepted after {length} of {} bytes", image.len());
            survives(&image[..length], &manifest);
        }
    }
}

/// Every byte of the image: inverted, cleared, set, off by one.
#[test]
fn every_byte_changed() {
    for &arch in architectures() {
        let (mut image, manifest) = (good(arch), manifest(arch, &[]));
        for offset in 0..image.len() {
            let right = image[offset];
            for wrong in [!right, 0, 0xff, right.wrapping_add(1), right ^ 0x80] {
                image[offset] = wrong;
                survives(&image, &manifest);
            }
            image[offset] = right;
        }
    }
}

/// Every aligned word of the image: the largest numbers, signed and not, that offsets and counts can overflow with.
#[test]
fn every_word_extreme() {
    for &arch in architectures() {
        let (image, manifest) = (good(arch), manifest(arch, &[]));
        for offset in (0..image.len() - 7).step_by(4) {
            for wrong in [u64::MAX, i64::MAX as u64, i64::MIN as u64, u64::from(u32::MAX), 1 << 31] {
                let mut image = image.clone();
                image[offset..offset + 8].copy_from_slice(&wrong.to_le_bytes());
                survives(&image, &manifest);
                let mut image = good(arch);
                image[offset..offset + 4].copy_from_slice(&(wrong as u32).to_le_bytes());
                survives(&image, &manifest);
            }
        }
    }
}

/// Several bytes at once, the same in every run.
#[test]
fn bytes_at_random() {
    for &arch in architectures() {
        let (good, manifest) = (good(arch), manifest(arch, &[]));
        let mut random = Random::new(1);
        let mut next = || random.number();
        for _ in 0..10_000 {
            let mut image = good.clone();
            for _ in 0..1 + next() % 8 {
                let offset = next() as usize % image.len();
                image[offset] = next() as u8;
            }
            survives(&image, &manifest);
        }
    }
}
