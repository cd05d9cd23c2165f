//! What a running daemon does for the commands that ask it by the spool's socket.
//!
//! Only the daemon's own user and root can open the socket. What they do is noted in the log as acts by page and API are,
//! under the user id that the kernel vouches for.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::admin::act;
use crate::collect;
use crate::metrics::CollectMetrics;
use crate::spool::Changed;
use crate::spool::Reply;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::socket::Answer;
use crate::spool::socket::Asked;

/// What commands can have of a daemon.
#[derive(Debug)]
pub(super) struct Peers {
    spool: Arc<dyn Spool>,
    metrics: CollectMetrics,
    collect: watch::Receiver<Arc<collect::Config>>,
}

impl Peers {
    pub(super) fn new(
        spool: Arc<dyn Spool>,
        metrics: CollectMetrics,
        collect: watch::Receiver<Arc<collect::Config>>,
    ) -> Peers {
        Peers { spool, metrics, collect }
    }

    /// Does what `user` asked for; the answer comes after the commit.
    pub(super) fn act(&self, user: u32, asked: Asked) -> Reply<Answer> {
        let who = format!("uid {user}");
        match asked {
            Asked::Command(command) => {
                let spool = Arc::clone(&self.spool);
                // Noted in the log also where the process is told to end amid it.
                let acting = tokio::spawn(async move { act::change(&*spool, &who, command).await });
                Box::pin(async move { acting.await.unwrap_or(Err(SpoolError::Closed)).map(Answer::Changed) })
            }
            Asked::Tested(tested) => {
                act::note_test(&who, &tested.endpoint, tested.taken, tested.status);
                Box::pin(std::future::ready(Ok(Answer::Changed(Changed::default()))))
            }
            Asked::NextVisits {} => Box::pin(std::future::ready(Ok(Answer::NextVisits(self.next_visits())))),
        }
    }

    fn next_visits(&self) -> BTreeMap<String, Option<String>> {
        let next = |mailbox: &collect::Mailbox| {
            let at = self.metrics.next_visit.with_label_values(&[mailbox.name.as_str()]).get();
            let at = Some(at).filter(|at| *at > 0).and_then(|at| Timestamp::from_second(at).ok());
            (mailbox.name.to_string(), at.map(|at| format!("{at:.3}")))
        };
        self.collect.borrow().mailboxes.iter().map(next).collect()
    }
}
