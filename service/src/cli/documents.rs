//! The commands that documents print are commands that there are.

use std::fs;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

/// The lines of fenced code that call the binary, as they are told to a shell.
fn calls(text: &str) -> Vec<String> {
    let code = text.split("```").skip(1).step_by(2);
    let lines = code.flat_map(|block| block.split_once('\n').map_or("", |(_, code)| code).lines());
    let told = lines.map(|line| line.split(" #").next().unwrap_or(line).replace("-new", ""));
    let parts = told.flat_map(|line| line.split("&&").map(str::to_owned).collect::<Vec<_>>());
    let called = parts.filter_map(|part| {
        let called = part.split_once(" -- ").map_or(part.as_str(), |(_, called)| called).trim();
        called.starts_with("feedmill ").then(|| called.to_owned())
    });
    called.collect()
}

/// What is wrong with a call, if it is more than a word that stands for a value.
fn fault(call: &str) -> Option<String> {
    let shell = ["|", ">", ">/dev/null"];
    let words = call.split_whitespace().take_while(|word| !shell.contains(word));
    let fault = Cli::try_parse_from(words).err()?;
    let stands_for_a_value = [ErrorKind::ValueValidation, ErrorKind::InvalidValue];
    (!stands_for_a_value.contains(&fault.kind())).then(|| format!("{call}\n{fault}"))
}

#[test]
fn what_documents_tell_a_person_to_run_can_be_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
    let pages: Vec<_> = pages.chain([root.join("README.md")]).collect();
    let texts = pages.iter().map(|page| fs::read_to_string(page).unwrap());
    let calls: Vec<_> = texts.flat_map(|text| calls(&text)).collect();
    assert!(calls.len() > 30, "{calls:?}");
    let faults: Vec<_> = calls.iter().filter_map(|call| fault(call)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_that_there_is_not_is_found_in_a_document() {
    let text =
        "```sh\nfeedmill topics heck   # not one\nkubectl exec a -- feedmill doctor --jason\n```";
    let faults: Vec<_> = calls(text).iter().filter_map(|call| fault(call)).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(fault("feedmill feed show USER"), None);
}
