//! What the binary tells of itself, for documents and packages: nothing is told twice by hand.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, Generate};
use crate::config::Config;

/// What was asked for, as text; man pages are written, and nothing is said.
pub fn generate(asked: &Generate) -> Result<String, String> {
    match asked {
        Generate::Configuration => Config::reference(),
        Generate::Completions { shell } => completions(*shell),
        Generate::Man { folder } => man(folder).map(|()| String::new()),
    }
}

fn completions(shell: Shell) -> Result<String, String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "feedmill", &mut script);
    String::from_utf8(script).map_err(|e| e.to_string())
}

fn man(folder: &Path) -> Result<(), String> {
    let written = fs::create_dir_all(folder);
    let written = written.and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|e| format!("{}: {e}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_man_page_and_every_shell_completes_it() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("man1");
        man(&pages).unwrap();
        let script = completions(Shell::Bash).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(pages.join(format!("feedmill-{name}.1")).exists(), "{name}");
            assert!(script.contains(&format!("feedmill,{name})")), "{name}");
        }
        assert!(pages.join("feedmill-topics-create.1").exists());
    }
}
