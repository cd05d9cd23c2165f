//! What was learnt of each server while this process lives: habits that it does not announce.

use std::collections::HashMap;
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

/// One such visit may have been chance.
const VISITS_MIN: u32 = 2;

/// What all visits to a server should know.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// Pipelining went wrong: one command at a time from then on.
    plain: HashSet<Host>,
    /// In how many visits they closed the session when they were asked for their capabilities.
    close_on_capa: HashMap<Host, u32>,
    /// They told their capabilities.
    answer_capa: HashSet<Host>,
}

impl Habits {
    /// The mailbox as it is to be visited.
    pub(super) fn adapt(&self, mailbox: &Mailbox) -> Mailbox {
        let (mut mailbox, host) = (mailbox.clone(), host(mailbox));
        if self.plain.contains(&host) {
            mailbox.server.pipelining = Pipelining::Off;
        }
        // What they can do decides how the password goes: a line that broke at the question is no reason to leave it out.
        if self.answer_capa.contains(&host) {
            mailbox.server.capa = Capa::Insisted;
        } else if self.close_on_capa.get(&host).is_some_and(|visits| *visits >= VISITS_MIN) {
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
        if result.is_err() {
            return;
        }
        if memory.answers_capa {
            self.answer_capa.insert(host(mailbox));
        }
        let visits = self.close_on_capa.entry(host(mailbox)).or_default();
        *visits = visits.saturating_add(u32::from(memory.closes_on_capa));
        if memory.closes_on_capa && *visits == VISITS_MIN {
            tracing::warn!(mailbox = %mailbox.name, "the server is not asked for its capabilities any more: it closes then");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::plan::tests::mailbox;
    use crate::retention::OnServer;

    /// How a mailbox is to be visited after visits that went well, each with or without an answer to CAPA.
    fn check(answered: &[bool], expected: Capa) {
        let (mailbox, mut habits) = (mailbox(OnServer::Keep), Habits::default());
        for &answers_capa in answered {
            let memory = Memory { answers_capa, closes_on_capa: !answers_capa, ..Memory::default() };
            habits.learn(&mailbox, &Ok(Report::default()), &memory);
        }
        assert_eq!(habits.adapt(&mailbox).server.capa, expected, "{answered:?}");
    }

    #[test]
    fn a_server_that_ever_told_its_capabilities_is_always_asked() {
        check(&[], Capa::Asked);
        check(&[false], Capa::Asked);
        check(&[false, false], Capa::LeftOut);
        check(&[true], Capa::Insisted);
        check(&[true, false, false], Capa::Insisted);
        check(&[false, false, true], Capa::Insisted);
    }
}
