//! A scripted server, an endpoint, and the program between them; whatever a test did there, the oracle judges its end.

use std::cell::Cell;
use std::thread;

use super::mails;
use super::oracle::KEY;
use super::oracle::Memory;
use super::oracle::Oracle;
use super::pop3_server::Message;
use super::pop3_server::Pop3Server;
use super::pophook::Endpoint;
use super::pophook::Mailbox;
use super::pophook::Pophook;
use super::receiver::Hit;
use super::receiver::Receiver;

/// A plain mail under a unique-id that is its subject too.
pub fn message(id: &str) -> Message {
    Message::new(id, &mails::plain(id))
}

pub fn messages(ids: &[&str]) -> Vec<Message> {
    ids.iter().map(|id| message(id)).collect()
}

/// One mailbox, one endpoint, which is signed for. When it goes, the oracle must hold.
pub struct Stage {
    pub server: Pop3Server,
    pub desk: Receiver,
    pub pophook: Pophook,
    memory: Memory,
    owed: Cell<bool>,
}

impl Stage {
    pub fn new(rule: &str, messages: Vec<Message>) -> Stage {
        Stage::with(messages, |mailbox| mailbox.on_server(rule), |endpoint| endpoint)
    }

    pub fn with(
        messages: Vec<Message>,
        mailbox: impl Fn(Mailbox) -> Mailbox,
        endpoint: impl Fn(Endpoint) -> Endpoint,
    ) -> Stage {
        let (server, desk) = (Pop3Server::start(messages), Receiver::start());
        let pophook =
            Pophook::new([mailbox(Mailbox::scripted(&server))], [endpoint(Endpoint::desk(&desk).signed(&[KEY]))]);
        let memory = Memory::default();
        memory.watch(&server, pophook.spool());
        Stage { server, desk, pophook, memory, owed: Cell::new(true) }
    }

    /// The endpoint once more, for a configuration written anew.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::desk(&self.desk).signed(&[KEY])
    }

    /// The endpoint left the file: an operator gives its mail to another, or drops it.
    pub fn owes_nothing_more(&self) {
        self.owed.set(false);
    }

    pub fn oracle(&self) -> Oracle<'_> {
        Oracle::new(&self.server, &self.pophook, vec![("desk", &self.desk)])
    }

    /// Insists on the invariants now.
    #[track_caller]
    pub fn holds(&self) {
        self.oracle().holds(&self.memory);
    }

    /// Insists on the invariants, and on life after the faults.
    #[track_caller]
    pub fn lives(&self) {
        self.holds();
        self.oracle().lives(false);
    }

    /// Visits until the maildrop is empty.
    #[track_caller]
    pub fn until_empty(&self) {
        self.pophook.once_until("the maildrop is empty", || self.server.messages().is_empty());
    }

    /// Visits until so many posts arrived.
    #[track_caller]
    pub fn until_delivered(&self, count: usize) {
        self.pophook.once_until("all mail arrives", || self.desk.count() >= count);
    }

    /// Insists that each of these mails was posted exactly once, byte for byte, and nothing else.
    #[track_caller]
    pub fn exactly(&self, expected: &[Message]) {
        let mut arrived: Vec<Vec<u8>> = self.desk.hits().iter().map(Hit::raw).collect();
        let mut expected: Vec<Vec<u8>> = expected.iter().map(|message| message.raw.clone()).collect();
        arrived.sort();
        expected.sort();
        assert!(arrived == expected, "arrived: {:?}", self.desk.subjects());
        assert_eq!(self.desk.ids().len(), expected.len(), "one id for each mail");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.owed.get() && !thread::panicking() {
            self.holds();
        }
    }
}
