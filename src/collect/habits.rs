//! What was learnt of each server while this process lives: habits that it does not announce.

use std::collections::HashSet;

use super::Mailbox;
use super::Report;
use super::VisitError;
use super::means::Memory;
use crate::pop3::Capa;
use crate::pop3::Pipelining;
use crate::pop3::Pop3Error;

/// Host name and port.
pub(super) type Host = (String, u16);

/// The server of a mailbox.
pub(super) fn host(mailbox: &Mailbox) -> Host {
    (mailbox.server.host.clone(), mailbox.server.port)
}

/// What all visits to a server should know.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// Pipelining went wrong: one command at a time from then on.
    plain: HashSet<Host>,
    /// They close the session when they are asked for their capabilities.
    close_on_capa: HashSet<Host>,
}

impl Habits {
    /// The mailbox as it is to be visited.
    pub(super) fn adapt(&self, mailbox: &Mailbox) -> Mailbox {
        let (mut mailbox, host) = (mailbox.clone(), host(mailbox));
        if self.plain.contains(&host) {
            mailbox.server.pipelining = Pipelining::Off;
        }
        if self.close_on_capa.contains(&host) {
            mailbox.server.capa = Capa::LeftOut;
        }
        mailbox
    }

    /// Learns from the end of a visit.
    pub(super) fn learn(&mut self, mailbox: &Mailbox, result: &Result<Report, VisitError>, memory: &Memory) {
        if let Err(VisitError::Pop3(Pop3Error::Desync { .. } | Pop3Error::Closed { .. } | Pop3Error::Io { .. })) =
            result
            && mailbox.server.pipelining != Pipelining::Off
            && self.plain.insert(host(mailbox))
        {
            tracing::warn!(mailbox = %mailbox.name, "pipelining is off for this server from now on");
        }
        // Only a visit that went well without the question shows that the question was to blame.
        if memory.closes_on_capa && result.is_ok() && self.close_on_capa.insert(host(mailbox)) {
            tracing::warn!(mailbox = %mailbox.name, "the server is not asked for its capabilities any more: it closes then");
        }
    }
}
