//! The gate against images that are broken on purpose, and against bytes that are broken by chance; and the inspection
//! that it stands on.

mod accepted;
mod arch;
mod built;
mod corpus;
mod division;
mod fixture;
mod hostile;
mod inspection;
mod own;
mod patch;

use corpus::{corpus, Case};
use fixture::{architectures, good, manifest, PAGE};
use std::collections::BTreeSet;
use vdso_linker::gate::{self, Rule};

#[test]
fn good_images_are_accepted() {
    for arch in architectures() {
        let report = gate::check(&good(*arch), &manifest(*arch, &[]), Some(PAGE));
        assert!(report.is_accepted(), "{arch}: {report}");
        arch::snapshots(*arch).bind(|| insta::assert_snapshot!("good_image", report));
    }
}

/// Each broken image breaks its rules and no others, and the gate says where and what to do.
#[test]
fn each_rule_bites() {
    let mut wrong = String::new();
    for (arch, cases) in corpus() {
        for case in cases {
            if let Err(what) = judge(case) {
                wrong += &format!("{arch}, {}: {what}\n", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn judge(case: &Case) -> Result<(), String> {
    let report = gate::check(&case.image, &case.manifest, Some(case.page));
    let found: BTreeSet<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
    let expected: BTreeSet<Rule> = case.rules.iter().copied().collect();
    if found != expected {
        return Err(format!("expected {expected:?}, found {found:?}\n{report}"));
    }
    if !report.violations.iter().any(|violation| violation.place.contains(case.place)) {
        return Err(format!("no violation at a place like `{}`\n{report}", case.place));
    }
    if report.violations.iter().any(|violation| violation.what.is_empty() || violation.remedy.is_empty()) {
        return Err(format!("a violation without facts or remedy\n{report}"));
    }
    Ok(())
}

/// What the gate says of each broken image, to read and to compare.
#[test]
fn messages() {
    for (arch, cases) in corpus() {
        let mut text = String::new();
        for case in cases {
            text += &format!("{}\n", case.name);
            for violation in gate::check(&case.image, &case.manifest, Some(case.page)).violations {
                text += &format!("    {violation}\n");
            }
        }
        arch::snapshots(arch).bind(|| insta::assert_snapshot!("messages", text));
    }
}

/// A rule that no image shows to bite may as well not exist.
#[test]
fn every_rule_is_in_the_corpus_of_every_architecture() {
    for (arch, cases) in corpus() {
        let shown: BTreeSet<Rule> =
            cases.iter().filter(|case| case.rules.len() == 1).map(|case| case.rules[0]).collect();
        let missing: Vec<&Rule> =
            Rule::ALL.iter().filter(|rule| !shown.contains(rule) && !arch::of(arch).without.contains(rule)).collect();
        assert!(missing.is_empty(), "{arch}: no image breaks only {missing:?}");
    }
}
