//! When a mailbox is visited again, and how many visits run at once. Pure.

use std::collections::HashMap;
use std::time::Duration;

use super::Report;
use super::VisitError;
use crate::pop3::Code;

/// The first wait after a login that was refused: providers ban addresses that keep trying.
const AFTER_REFUSED_LOGIN: Duration = Duration::from_secs(5 * 60);
/// So many refusals in a row, and the mailbox is stopped:
const REFUSALS_MAX: u32 = 3;
/// it is tried once in so long, for passwords that are mended on the server.
const WHILE_STOPPED: Duration = Duration::from_secs(6 * 3600);
/// The first wait for what goes away by itself, such as another session's lock on the maildrop.
const WHILE_BUSY: Duration = Duration::from_secs(15);
/// The longest wait for that.
const BUSY_MAX: Duration = Duration::from_secs(5 * 60);
/// The longest wait for our own spool to take mail again: nobody else is troubled by a look at it.
const WHILE_FULL_MAX: Duration = Duration::from_secs(60);
/// The longest wait after failures, unless the interval itself is longer.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// The longest delay between logins that a server is believed.
const LOGIN_DELAY_MAX: Duration = Duration::from_secs(24 * 3600);
/// The least delay that is learned from a server that tells none.
const LEARNED_MIN: Duration = Duration::from_secs(60);
/// The longest one.
const LEARNED_MAX: Duration = Duration::from_secs(3600);
/// After so many good visits in a row, half of it is tried.
const FORGET_AFTER: u32 = 10;
/// Part of each wait that chance adds, so that mailboxes do not march in step.
const JITTER: f64 = 0.1;
/// First visits are spread over this much for each mailbox.
const SPREAD_EACH: Duration = Duration::from_millis(20);

/// How a visit ended, as far as the next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All was done.
    Well,
    /// It was cut short; the rest is for the next one.
    Unfinished,
    /// `[IN-USE]`: another session holds the maildrop. The credentials were accepted.
    InUse,
    /// `[SYS/TEMP]`: the server said that it will be able later.
    Busy,
    /// `[LOGIN-DELAY]`: the last login was too short ago.
    TooSoon,
    /// The credentials were refused.
    LoginRefused,
    /// `[SYS/PERM]`, `[UTF8]`: somebody must do something about the account.
    NeedsHuman,
    /// Our own spool could not take what there was.
    NotTaken,
    /// Anything else.
    Failed,
}

impl Ended {
    pub(super) fn of(result: &Result<Report, VisitError>) -> Ended {
        match result {
            Ok(report) if report.unreached > 0 => Ended::Unfinished,
            Ok(_) => Ended::Well,
            Err(VisitError::Pop3(error)) if error.is_login_refused() => Ended::LoginRefused,
            Err(VisitError::Pop3(error)) => match error.code() {
                Some(Code::InUse) => Ended::InUse,
                Some(Code::SysTemp) => Ended::Busy,
                Some(Code::LoginDelay) => Ended::TooSoon,
                Some(Code::SysPerm | Code::Utf8) => Ended::NeedsHuman,
                Some(Code::Auth) | None => Ended::Failed,
            },
            Err(VisitError::Spool(_)) => Ended::NotTaken,
            Err(_) => Ended::Failed,
        }
    }
}

/// What the visits so far say of when the next one may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Visits in a row that ended in the same bad way.
    failures: u32,
    /// Refused logins since one was accepted.
    refusals: u32,
    last: Option<Ended>,
    /// The delay between two logins that the server announced.
    announced: Duration,
    /// The delay that it enforced without announcing it.
    learned: Duration,
    /// Visits in a row that went well since that was learned.
    well: u32,
}

impl Pace {
    /// Notes how a visit of a mailbox with this interval ended, and what delay between logins the server announced last.
    pub(super) fn note(
        &mut self,
        configured: Duration,
        announced: Option<Duration>,
        result: &Result<Report, VisitError>,
    ) {
        let ended = Ended::of(result);
        let again = self.last.replace(ended) == Some(ended);
        self.failures = match ended {
            Ended::Well | Ended::Unfinished => 0,
            _ if again => self.failures.saturating_add(1),
            _ => 1,
        };
        self.refusals = match ended {
            Ended::LoginRefused => self.refusals.saturating_add(1),
            // Nothing is known of the credentials.
            Ended::Failed | Ended::NotTaken | Ended::NeedsHuman | Ended::Busy | Ended::TooSoon => self.refusals,
            Ended::Well | Ended::Unfinished | Ended::InUse => 0,
        };
        self.announced = announced.unwrap_or_default().min(LOGIN_DELAY_MAX);
        self.well = if ended == Ended::Well { self.well.saturating_add(1) } else { 0 };
        // Perhaps another client was the reason, or the server has changed.
        if self.well >= FORGET_AFTER {
            (self.well, self.learned) = (0, self.learned / 2);
            if self.learned < LEARNED_MIN {
                self.learned = Duration::ZERO;
            }
        }
        if ended == Ended::TooSoon {
            self.learned = self.interval(configured).saturating_mul(2).clamp(LEARNED_MIN, LEARNED_MAX);
        }
    }

    /// The way in is another one: that it was refused before says nothing any more.
    pub(super) fn mended(&mut self) {
        (self.failures, self.refusals, self.last) = (0, 0, None);
    }

    /// The delay between two logins that the server enforces without announcing it.
    pub(super) fn learned(&self) -> Duration {
        self.learned
    }

    /// The delay between two logins that the server wants, as far as it told or showed.
    pub(super) fn between_logins(&self) -> Duration {
        self.announced.max(self.learned)
    }

    /// The time between two logins: a server that wants a longer delay gets it, within reason.
    pub(super) fn interval(&self, configured: Duration) -> Duration {
        configured.max(self.announced).max(self.learned)
    }

    /// Whether the mailbox is tried only now and then, until somebody mends it.
    pub(super) fn is_stopped(&self) -> bool {
        self.refusals >= REFUSALS_MAX || self.last == Some(Ended::NeedsHuman)
    }

    /// The wait from the end of a visit that began `ago` to the start of the next. `chance` is from 0 to 1.
    pub(super) fn wait(&self, configured: Duration, ago: Duration, chance: f64) -> Duration {
        let interval = self.interval(configured);
        let doubled = |first: Duration, most: Duration, times: u32| {
            first.saturating_mul(2u32.saturating_pow(times.saturating_sub(1))).min(most.max(first))
        };
        let wait = match self.last {
            _ if self.is_stopped() => WHILE_STOPPED.max(interval),
            // The delay counts from the last login, which was some time after the visit's start.
            None | Some(Ended::Well) => configured.saturating_sub(ago).max(self.announced).max(self.learned),
            Some(Ended::Unfinished) => self.announced.max(self.learned),
            Some(Ended::InUse | Ended::Busy) => {
                doubled(WHILE_BUSY, BUSY_MAX, self.failures).max(self.announced).max(self.learned)
            }
            Some(Ended::TooSoon) => interval,
            Some(Ended::LoginRefused | Ended::NeedsHuman) => {
                doubled(AFTER_REFUSED_LOGIN.max(interval), WAIT_MAX, self.refusals)
            }
            Some(Ended::NotTaken) => doubled(interval, WHILE_FULL_MAX, self.failures),
            Some(Ended::Failed) => doubled(interval, WAIT_MAX, self.failures),
        };
        wait.mul_f64(1.0 + JITTER * chance)
    }
}

/// The wait before the first visit of one of `mailboxes`: no thundering herd at start.
pub(super) fn first_wait(interval: Duration, mailboxes: usize, chance: f64) -> Duration {
    let spread = SPREAD_EACH.saturating_mul(u32::try_from(mailboxes.saturating_sub(1)).unwrap_or(u32::MAX));
    spread.min(interval).mul_f64(chance)
}

/// Counts visits against the caps, in all and to one server.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    max_per_host: usize,
    taken: usize,
    by_host: HashMap<(String, u16), usize>,
}

impl Slots {
    pub(super) fn new(max: usize, max_per_host: usize) -> Slots {
        Slots { max, max_per_host, taken: 0, by_host: HashMap::new() }
    }

    /// Other caps from now on; visits under way go on.
    pub(super) fn limit(&mut self, max: usize, max_per_host: usize) {
        (self.max, self.max_per_host) = (max, max_per_host);
    }

    /// Takes a slot for a visit to `host`, if there is one.
    pub(super) fn take(&mut self, host: &(String, u16)) -> bool {
        let here = self.by_host.get(host).copied().unwrap_or_default();
        if self.taken >= self.max || here >= self.max_per_host {
            return false;
        }
        self.taken += 1;
        self.by_host.insert(host.clone(), here + 1);
        true
    }

    /// Gives it back.
    pub(super) fn free(&mut self, host: &(String, u16)) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(here) = self.by_host.get_mut(host) {
            *here -= 1;
            if *here == 0 {
                self.by_host.remove(host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::Pop3Error;
    use crate::spool::SpoolError;

    const MINUTE: Duration = Duration::from_secs(60);

    fn refused(code: Option<Code>) -> Result<Report, VisitError> {
        Err(Pop3Error::LoginRefused { code, text: String::new() }.into())
    }

    fn well(login_delay: u64, unreached: usize) -> Result<Report, VisitError> {
        Ok(Report { login_delay: Some(Duration::from_secs(login_delay)), unreached, ..Report::default() })
    }

    /// The waits in seconds after each of these visits, of 10 seconds each, to a mailbox that is due every minute.
    fn check(visits: &[Result<Report, VisitError>], expected: &[u64]) {
        let (mut pace, mut announced) = (Pace::default(), None);
        let waits: Vec<u64> = visits
            .iter()
            .map(|result| {
                announced = result.as_ref().map_or(announced, |report| report.login_delay);
                pace.note(MINUTE, announced, result);
                pace.wait(MINUTE, Duration::from_secs(10), 0.0).as_secs()
            })
            .collect();
        assert_eq!(waits, expected, "{visits:?}");
    }

    #[test]
    fn the_interval_is_from_start_to_start() {
        check(&[well(0, 0), well(0, 0)], &[50, 50]);
    }

    #[test]
    fn what_was_not_reached_is_next_as_soon_as_the_server_allows() {
        check(&[well(0, 5), well(300, 5)], &[0, 300]);
    }

    #[test]
    fn failures_double_the_wait_until_one_goes_well() {
        let failed = || Err(VisitError::TooLong(MINUTE));
        check(&[failed(), failed(), failed(), well(0, 0), failed()], &[60, 120, 240, 50, 60]);
        check(&std::iter::repeat_with(failed).take(7).collect::<Vec<_>>(), &[60, 120, 240, 480, 960, 1800, 1800]);
    }

    #[test]
    fn s1_a_spool_that_could_not_take_mail_is_asked_again_soon() {
        let full = || Err(VisitError::Spool(SpoolError::Impossible("it is full".to_owned())));
        check(&[full(), full(), full(), well(0, 0)], &[60, 60, 60, 50]);
        let mut pace = Pace::default();
        let mut wait = || {
            pace.note(Duration::from_secs(1), None, &full());
            pace.wait(Duration::from_secs(1), Duration::ZERO, 0.0).as_secs()
        };
        assert_eq!([(); 8].map(|()| wait()), [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn m7_a_refused_login_is_tried_three_times_and_then_hardly_ever() {
        let auth = || refused(Some(Code::Auth));
        check(&[auth(), refused(None), auth(), auth()], &[300, 600, 6 * 3600, 6 * 3600]);
        check(&[auth(), auth(), well(0, 0), auth()], &[300, 600, 50, 300]);
        check(&[auth(), auth(), refused(Some(Code::InUse)), auth()], &[300, 600, 15, 300]);
        let failed = || Err(VisitError::TooLong(MINUTE));
        check(&[auth(), failed(), auth(), failed(), auth(), failed()], &[300, 60, 600, 60, 6 * 3600, 6 * 3600]);
        check(&[refused(Some(Code::SysPerm))], &[6 * 3600]);
    }

    #[test]
    fn what_goes_away_by_itself_is_tried_again_soon() {
        let busy = || refused(Some(Code::InUse));
        check(&std::iter::repeat_with(busy).take(7).collect::<Vec<_>>(), &[15, 30, 60, 120, 240, 300, 300]);
        check(&[refused(Some(Code::SysTemp)), well(300, 0), refused(Some(Code::SysTemp))], &[15, 300, 300]);
    }

    #[test]
    fn a_server_gets_the_delay_between_logins_that_it_asks_for_within_reason() {
        check(&[well(300, 0), Err(VisitError::TooLong(MINUTE)), well(0, 0)], &[300, 300, 50]);
        check(&[well(u64::MAX, 0)], &[24 * 3600]);
    }

    #[test]
    fn a_delay_that_is_enforced_and_not_announced_is_learned() {
        let soon = || refused(Some(Code::LoginDelay));
        check(&[soon(), well(0, 0), soon(), well(0, 0)], &[120, 120, 240, 240]);
        let wells = std::iter::repeat_with(|| well(0, 0)).take(20);
        let forgotten: Vec<_> = [soon()].into_iter().chain(wells).collect();
        let waits: Vec<u64> = [120; 10].into_iter().chain([60; 10]).chain([50]).collect();
        check(&forgotten, &waits);
        check(
            &std::iter::repeat_with(soon).take(8).collect::<Vec<_>>()[..],
            &[120, 240, 480, 960, 1920, 3600, 3600, 3600],
        );
    }

    #[test]
    fn chance_only_adds() {
        let pace = Pace::default();
        assert_eq!(pace.wait(MINUTE, Duration::ZERO, 1.0), Duration::from_secs(66));
    }

    #[test]
    fn the_first_visits_are_spread() {
        assert_eq!(first_wait(Duration::from_secs(60), 1, 1.0), Duration::ZERO);
        assert_eq!(first_wait(Duration::from_secs(60), 101, 0.5), Duration::from_secs(1));
        assert_eq!(first_wait(Duration::from_secs(60), 1_000_000, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn slots_are_capped_in_all_and_per_host() {
        let (a, b) = (("a".to_owned(), 995), ("b".to_owned(), 995));
        let mut slots = Slots::new(3, 2);
        assert!(slots.take(&a) && slots.take(&a) && !slots.take(&a));
        assert!(slots.take(&b) && !slots.take(&b));
        slots.free(&a);
        assert!(slots.take(&b) && !slots.take(&a));
    }
}
