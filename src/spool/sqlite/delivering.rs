//! The delivering half's verbs, each one transaction: which SQL runs, which claims it frees, whom it wakes.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::watch;

use super::MakesWork;
use super::Sqlite;
use super::endpoint;
use super::enrol;
use super::guard;
use super::note_running;
use super::queue;
use super::record;
use super::sorting;
use super::writer::Haste;
use crate::ident::EndpointName;
use crate::spool::Claims;
use crate::spool::DAMAGED_REMEDY;
use crate::spool::Delivering;
use crate::spool::DeliveryKey;
use crate::spool::Health;
use crate::spool::Hold;
use crate::spool::MessageKey;
use crate::spool::Record;
use crate::spool::Reply;
use crate::spool::Sorted;
use crate::spool::SpoolError;
use crate::spool::Unsorted;
use crate::spool::Wanted;

impl Delivering for Sqlite {
    fn claim_unsorted(&self, at_most: usize) -> Reply<Vec<Unsorted>> {
        let (claimed, mine) = (Arc::clone(&self.claimed), Arc::clone(&self.claimed));
        let claim = move |c: &Connection| sorting::claim_unsorted(c, &claimed, at_most);
        let (writer, first) = (self.writer.clone(), self.write(Haste::Soon, MakesWork::No, claim.clone()));
        Box::pin(async move {
            let mut found = first.await;
            while let Err(SpoolError::Damaged(message)) = found {
                let id = writer.write(Haste::Now, move |c| sorting::quarantine_damaged(c, message), |_| {}).await?;
                tracing::error!(id, "our copy of a message is damaged, and nobody parses it: {DAMAGED_REMEDY}");
                found = writer.write(Haste::Now, claim.clone(), |_| {}).await;
            }
            // Claimed once it is committed: what failed is free for the next call.
            found.inspect(|found| guard(&mine).messages.extend(found.iter().map(|one| one.message.key.0)))
        })
    }

    fn sort(&self, sorted: Vec<Sorted>) -> Reply<()> {
        let (claimed, now) = (Arc::clone(&self.claimed), self.clock.now());
        let messages: Vec<i64> = sorted.iter().map(|one| one.message.0).collect();
        let reply = self.write(Haste::Soon, MakesWork::Yes, move |c| sorting::sort(c, &sorted, now));
        Box::pin(async move {
            // Kept for another try after a fault: a spool that fails is no fault of the messages.
            reply.await?;
            let mut claimed = guard(&claimed);
            messages.iter().for_each(|message| _ = claimed.messages.remove(message));
            Ok(())
        })
    }

    fn abandon(&self, messages: Vec<MessageKey>) -> Reply<()> {
        let mut claimed = self.claimed();
        messages.iter().for_each(|message| _ = claimed.messages.remove(&message.0));
        Box::pin(async { Ok(()) })
    }

    fn claim(&self, endpoint: &EndpointName, wanted: Wanted) -> Reply<Claims> {
        let (claimed, mine) = (Arc::clone(&self.claimed), Arc::clone(&self.claimed));
        let (endpoint, times) = (endpoint.clone(), self.times());
        // It writes next to nothing, but takes its turn among the writes: read beside them, mail was delivered more slowly.
        let reply = self.write(Haste::Now, MakesWork::No, move |c| {
            // A copy: whoever gives a claim back does not wait for this to end.
            let claimed = guard(&claimed).deliveries.clone();
            queue::claim(c, &claimed, &endpoint, wanted, times)
        });
        Box::pin(async move {
            reply.await.inspect(|found| guard(&mine).deliveries.extend(found.claims.iter().map(|one| one.delivery.0)))
        })
    }

    fn unclaim(&self, deliveries: Vec<DeliveryKey>) -> Reply<()> {
        let mut claimed = self.claimed();
        deliveries.iter().for_each(|delivery| _ = claimed.deliveries.remove(&delivery.0));
        Box::pin(async { Ok(()) })
    }

    fn record(&self, records: Vec<Record>) -> Reply<()> {
        let (times, claimed) = (self.times(), Arc::clone(&self.claimed));
        let deliveries: Vec<i64> = records.iter().map(|record| record.delivery.0).collect();
        let records = Arc::new(records);
        let write = move |c: &Connection| {
            records.iter().try_for_each(|record| record::record(c, record, times))?;
            note_running(c, times.1)
        };
        // A full disk must not make a success forgotten: the reserve is for this.
        let (written, wake) = (self.write_by_all_means(Haste::Soon, write), self.work.clone());
        Box::pin(async move {
            written.await?;
            // Only now: an attempt that is not on the disk keeps its claim, so that it is not made again.
            deliveries.iter().for_each(|delivery| _ = guard(&claimed).deliveries.remove(delivery));
            wake.send_modify(|count| *count = count.wrapping_add(1));
            Ok(())
        })
    }

    fn pause(&self, endpoint: &EndpointName, until: Timestamp) -> Reply<()> {
        let (endpoint, times) = (endpoint.clone(), self.times());
        self.write(Haste::Now, MakesWork::No, move |c| endpoint::pause(c, endpoint.as_str(), until, times))
    }

    fn keep_health(&self, endpoint: &EndpointName, health: Health, resumes: u64) -> Reply<bool> {
        let endpoint = endpoint.clone();
        // Whoever heard the answers goes by them at once; what is kept is for the next start.
        self.write(Haste::Soon, MakesWork::No, move |c| endpoint::keep_health(c, endpoint.as_str(), &health, resumes))
    }

    fn hold(&self, endpoint: &EndpointName, why: Hold) -> Reply<()> {
        let (endpoint, ran_ms) = (endpoint.clone(), self.ran_ms());
        // There is something to tell of it.
        self.write(Haste::Now, MakesWork::Yes, move |c| endpoint::hold(c, endpoint.as_str(), why, ran_ms))
    }

    fn hold_if_free(&self, endpoint: &EndpointName, why: Hold) -> Reply<bool> {
        let (endpoint, ran_ms) = (endpoint.clone(), self.ran_ms());
        self.write(Haste::Now, MakesWork::No, move |c| endpoint::hold_if_free(c, endpoint.as_str(), why, ran_ms))
    }

    fn end_hold(&self, endpoint: &EndpointName, why: Hold) -> Reply<bool> {
        let (endpoint, ran_ms) = (endpoint.clone(), self.ran_ms());
        self.write(Haste::Now, MakesWork::Yes, move |c| endpoint::end_hold(c, endpoint.as_str(), why, ran_ms))
    }

    fn keep_endpoints(&self, endpoints: Vec<EndpointName>) -> Reply<()> {
        let ran_ms = self.ran_ms();
        self.write(Haste::Now, MakesWork::Yes, move |c| enrol::endpoints(c, &endpoints, ran_ms))
    }

    fn work(&self) -> watch::Receiver<u64> {
        self.work.subscribe()
    }
}
