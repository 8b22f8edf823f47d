//! How clients look functions up: the rules of each, on every image that ships and on broken ones.
//!
//! A kernel author sees a client that does not find a function as a slow clock, or as a program that dies before `main`. The
//! clients' rules are written down here as parsers ([`clients`]), and what each makes of which flaw as a table
//! ([`broken`]). Where a client is installed, the table is held against the client itself.

#[path = "lookup/broken.rs"]
mod broken;
#[path = "lookup/clients/mod.rs"]
mod clients;
#[path = "lookup/elf.rs"]
mod elf;
#[path = "lookup/images.rs"]
mod images;
#[path = "lookup/installed.rs"]
mod installed;
#[path = "lookup/memory.rs"]
mod memory;
#[path = "lookup/patch.rs"]
mod patch;

use broken::{Expect, CASES};
use clients::{Client, Failure, CLIENTS};
use images::{images, Image};
use memory::{Memory, BASE};
use std::collections::BTreeSet;

/// The functions that a client wants of an image and that the image has, with their right addresses.
fn offered(client: &Client, image: &Image) -> Vec<(&'static str, Option<u64>)> {
    let functions = image.functions();
    let address = |name: &str| {
        let function = functions.iter().find(|function| function.name == name);
        assert!(
            function.is_some() != image.arch.not_offered.contains(&name),
            "{}: {} looks {name} up, the image has it: {}",
            image.arch.name(),
            client.name,
            function.is_some(),
        );
        function.map(|function| BASE + function.value)
    };
    client.wants(image.arch).iter().map(|name| (*name, address(name))).collect()
}

/// What became of a client.
fn outcome(client: &Client, image: &Image, memory: &Memory) -> Result<Expect, String> {
    let right = offered(client, image);
    let names: Vec<&str> = right.iter().map(|(name, _)| *name).collect();
    let found = match (client.look_up)(memory, image.arch, &names) {
        Ok(found) => found,
        Err(Failure::Rejects(why)) => return Ok(Expect::Rejects(why)),
        Err(Failure::Aborts(why)) => return Ok(Expect::Aborts(why)),
        Err(Failure::Faults(_)) => return Ok(Expect::Faults),
    };
    let is = |expected: &dyn Fn(&str, Option<u64>) -> Option<u64>| {
        right.iter().zip(&found).all(|((name, address), found)| *found == expected(name, *address))
    };
    if is(&|_, address| address) {
        Ok(Expect::Finds)
    } else if is(&|_, _| None) {
        Ok(Expect::Nothing)
    } else if is(&|name, address| address.filter(|_| name != image.arch.clock_gettime)) {
        Ok(Expect::AllButClock)
    } else {
        Err(format!("finds {found:x?}, right is {right:x?}"))
    }
}

/// A client that looks nothing but `clock_gettime` up does not show whether it found nothing or all but that.
fn is_as_expected(outcome: &Result<Expect, String>, expected: Expect) -> bool {
    let nothing = [Expect::Nothing, Expect::AllButClock];
    match outcome {
        Ok(outcome) => *outcome == expected || nothing.contains(outcome) && expected == Expect::AllButClock,
        Err(_) => false,
    }
}

fn clients_of(image: &Image) -> impl Iterator<Item = &'static Client> + '_ {
    CLIENTS.iter().filter(|client| !client.wants(image.arch).is_empty())
}

#[test]
fn every_client_finds_every_function() {
    for image in images() {
        let memory = Memory::map(image.bytes, image.page_size);
        for client in clients_of(&image) {
            let wants = client.wants(image.arch);
            assert!(wants.contains(&image.arch.clock_gettime), "{}: {}", image.arch.name(), client.name);
            let outcome = outcome(client, &image, &memory);
            assert_eq!(outcome, Ok(Expect::Finds), "{}: {}", image.arch.name(), client.name);
        }
    }
}

#[test]
fn each_client_stumbles_where_the_table_says_and_nowhere_else() {
    let mut wrong = String::new();
    for image in images() {
        for case in CASES {
            let memory = case.image(&image).memory();
            for client in clients_of(&image) {
                let (outcome, expected) = (outcome(client, &image, &memory), case.expected(client.name));
                if !is_as_expected(&outcome, expected) {
                    wrong += &format!(
                        "{}, {}: {} is expected to be {expected:?}, is {outcome:?}\n",
                        image.arch.name(),
                        case.name,
                        client.name
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What no client looks up is not in the tables of an architecture, and what one does is.
#[test]
fn each_row_of_clients_is_in_each_architectures_table() {
    let rows: BTreeSet<&str> = CLIENTS.iter().map(|client| client.row).collect();
    for image in images() {
        let wanted = image.arch.wanted;
        assert_eq!(wanted.iter().map(|(row, _)| *row).collect::<BTreeSet<_>>(), rows, "{}", image.arch.name());
        let names: BTreeSet<&str> = wanted.iter().flat_map(|(_, names)| *names).copied().collect();
        assert!(image.arch.not_offered.iter().all(|name| names.contains(name)), "{}", image.arch.name());
    }
}

/// The table names clients that exist, and each of them stumbles somewhere: a parser that accepts everything tests nothing.
#[test]
fn each_client_is_in_the_table() {
    let known: BTreeSet<&str> = CLIENTS.iter().map(|client| client.name).collect();
    let named: BTreeSet<&str> = CASES.iter().flat_map(broken::Case::clients).collect();
    assert_eq!(named, known);
}
