//! `trust`: extra roots for upstream TLS.

use std::path::{Path, PathBuf};

use agentsecrets::owner::{self, PolicyAct};
use agentsecrets::{Error, ErrorCode, Result};
use clap::Subcommand;
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// The longest certificate file that is read, in bytes.
const MAX_PEM: u64 = 1 << 20;

/// Add, list or remove extra certificates that upstream TLS trusts
#[derive(Subcommand)]
pub(crate) enum Trust {
    /// Trust the certificates of a PEM file (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets trust add company-ca.pem")]
    Add {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// List the extra certificates
    #[command(after_help = "Example:\n  agentsecrets trust list")]
    List,
    /// Trust a certificate no more (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets trust remove 3f0a")]
    Remove {
        /// The certificate's id, or the beginning of one
        id: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

impl Trust {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Add { file, passphrase } => {
                let pem = read(&file)?;
                change(PolicyAct::Trust { pem }, &passphrase, output)
            }
            Self::Remove { id, passphrase } => change(PolicyAct::Untrust { id }, &passphrase, output),
            Self::List => list(output),
        }
    }
}

fn change(act: PolicyAct, passphrase: &Passphrase, output: &Output) -> Outcome {
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let said = session.owner()?.change(vec![act])?;
    output.show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
    Ok(OK)
}

fn list(output: &Output) -> Outcome {
    let roots = owner::trusted(&super::located()?)?;
    output.show(&roots, |output| {
        let rows = roots.iter().map(|root| vec![root.id.clone(), root.subject.clone()]).collect();
        if roots.is_empty() { Ok(()) } else { output.table(&["ID", "CERTIFICATE"], rows) }
    })?;
    if roots.is_empty() && !output.is_json() {
        output.note("Only the platform's own roots are trusted.");
    }
    Ok(OK)
}

fn read(file: &Path) -> Result<String> {
    let cannot = |why: &str| Error::new(ErrorCode::InvalidCall, format!("the file cannot be read: {why}"));
    let found = std::fs::metadata(file).map_err(|why| cannot(&why.kind().to_string()))?;
    if found.len() > MAX_PEM {
        return Err(cannot("it is too long for certificates"));
    }
    let bytes = std::fs::read(file).map_err(|why| cannot(&why.kind().to_string()))?;
    String::from_utf8(bytes).map_err(|_| {
        cannot("it is not text").with_hint("openssl x509 -inform der -in FILE -out FILE.pem  # makes PEM of DER")
    })
}
