//! `proxy bootstrap render`: files to a directory, or the template to standard output.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{DONE, WORLD_FAILED};
use super::declaration;
use crate::render::{Rendered, cloudformation, render};

/// The example in its help.
pub(super) const EXAMPLE: &str = "\
Examples:
  proxy bootstrap render -f bootstrap.yaml              the CloudFormation template
  proxy bootstrap render -f bootstrap.yaml --out aws    the template, every policy and the proxy's configuration";

/// What `proxy bootstrap render` is told.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML.
    #[arg(short = 'f', long = "file", value_name = "SPEC")]
    file: PathBuf,
    /// Write every file below this directory, in place of the template to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this command's result is its output")]
pub(super) fn run(arguments: &Arguments) -> u8 {
    let declaration = match declaration(&arguments.file) {
        Ok(declaration) => declaration,
        Err(code) => return code,
    };
    let Some(folder) = &arguments.out else {
        print!("{}", cloudformation(&declaration));
        return DONE;
    };
    for Rendered { path, text } in render(&declaration) {
        let file = folder.join(path);
        if let Err(error) = write(&file, &text) {
            eprintln!("error: {} cannot be written: {error}", file.display());
            return WORLD_FAILED;
        }
        println!("{}", file.display());
    }
    for note in &declaration.desired.notes {
        eprintln!("note: {}: {}", note.path, note.text);
    }
    DONE
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}
