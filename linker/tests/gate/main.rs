//! The gate against images that are broken on purpose, and against bytes that are broken by chance; and the inspection
//! that it stands on.

mod accepted;
mod corpus;
mod fixture;
mod hostile;
mod inspection;
mod patch;

use corpus::{corpus, Case};
use fixture::{good, manifest, PAGE};
use std::collections::BTreeSet;
use vdso_linker::gate::{self, Rule};

#[test]
fn good_image_is_accepted() {
    let report = gate::check(&good(), &manifest(&[]), Some(PAGE));
    assert!(report.is_accepted(), "{report}");
    insta::assert_snapshot!(report);
}

/// Each broken image breaks its rules and no others, and the gate says where and what to do.
#[test]
fn each_rule_bites() {
    let mut wrong = String::new();
    for case in corpus() {
        if let Err(what) = judge(case) {
            wrong += &format!("{}: {what}\n", case.name);
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
    let mut text = String::new();
    for case in corpus() {
        text += &format!("{}\n", case.name);
        for violation in gate::check(&case.image, &case.manifest, Some(case.page)).violations {
            text += &format!("    {violation}\n");
        }
    }
    insta::assert_snapshot!(text);
}

/// A rule that no image shows to bite may as well not exist.
#[test]
fn every_rule_is_in_the_corpus() {
    let shown: BTreeSet<Rule> =
        corpus().iter().filter(|case| case.rules.len() == 1).map(|case| case.rules[0]).collect();
    let missing: Vec<&Rule> = Rule::ALL.iter().filter(|rule| !shown.contains(rule)).collect();
    assert!(missing.is_empty(), "no image breaks only {missing:?}");
}
