//! What attempts tell beside their verdict, so that the log tells each change of it once: where an endpoint redirects to,
//! how far its clock is from ours, and that the way to it is closed on our side.
//!
//! Receivers refuse a signature whose time is five minutes off, so a clock that goes wrong is told long before.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;

use super::answer::Aside;
use super::failure::Failure;
use crate::ident::EndpointName;
use crate::metrics::DeliverMetrics;

/// A difference between the clocks that is worth a warning.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);
/// A `Date` field counts whole seconds.
const DATE_STEP: SignedDuration = SignedDuration::from_secs(1);

/// An attempt's end, as far as it is no verdict on message or endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// An answer came.
    Answered {
        /// Where it redirects to.
        redirect: Option<String>,
        /// How far our clock is ahead of the endpoint's, where the answer told its time.
        skew: Option<SignedDuration>,
    },
    /// Nothing went out, because the way is closed on our side.
    Closed(Failure),
}

impl Remark {
    /// Of an answer to an attempt that began at `started_at` and took so long.
    pub(super) fn answered(aside: Aside, started_at: Timestamp, took: Duration) -> Remark {
        Remark::Answered { redirect: aside.redirect, skew: aside.date.map(|date| skew(started_at, took, date)) }
    }

    /// Of a failure, where it is of the way and not of the message.
    pub(super) fn failed(failure: Failure) -> Option<Remark> {
        matches!(failure, Failure::EgressDenied | Failure::Proxy).then_some(Remark::Closed(failure))
    }
}

/// The least difference of the clocks that lets `date` lie within the attempt; positive where ours is ahead. A long
/// exchange cannot be told from a small skew, so it is none.
fn skew(started_at: Timestamp, took: Duration, date: Timestamp) -> SignedDuration {
    let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
    let after_start = date.duration_since(started_at);
    if after_start < -DATE_STEP {
        return -after_start;
    }
    let after_end = after_start.saturating_sub(took);
    if after_end > DATE_STEP { -after_end } else { SignedDuration::ZERO }
}

/// What was last said of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    redirect: Option<String>,
    skewed: bool,
    closed: Option<Failure>,
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    /// It redirects, and not to where it did before.
    Redirects(String),
    /// The clocks are too far apart.
    Skewed(SignedDuration),
    /// They no longer are.
    InTime,
    /// Nothing goes out, for a reason that is ours.
    Closes(Failure),
    /// Something went out again.
    Opens,
}

impl Remarks {
    /// Tells the log what is new, and the metrics what is known.
    pub(super) fn tell(&mut self, endpoint: &EndpointName, remark: Remark, metrics: &DeliverMetrics) {
        if let Remark::Answered { skew: Some(skew), .. } = remark {
            metrics.clock_skew.with_label_values(&[endpoint.as_str()]).set(skew.as_secs());
        }
        for news in self.hear(remark) {
            match news {
                News::Redirects(host) => {
                    tracing::warn!(%endpoint, host, "the endpoint redirects, which is never followed: write in url the address that is finally reached");
                }
                News::Skewed(skew) => {
                    let seconds = skew.as_secs();
                    tracing::warn!(%endpoint, seconds, "our clock and the endpoint's are apart; from five minutes on, receivers refuse signatures");
                }
                News::InTime => tracing::info!(%endpoint, "our clock and the endpoint's agree again"),
                News::Closes(failure) => {
                    let (error, remedy) = (failure.as_str(), failure.remedy());
                    tracing::error!(%endpoint, error, "nothing reaches the endpoint: {remedy}");
                }
                News::Opens => tracing::info!(%endpoint, "the way to the endpoint is open again"),
            }
        }
    }

    fn hear(&mut self, remark: Remark) -> Vec<News> {
        let (redirect, skew) = match remark {
            Remark::Answered { redirect, skew } => (redirect, skew),
            Remark::Closed(failure) if self.closed.replace(failure) == Some(failure) => return Vec::new(),
            Remark::Closed(failure) => return vec![News::Closes(failure)],
        };
        let opened = self.closed.take().map(|_| News::Opens);
        let moved = redirect.clone().filter(|_| redirect != self.redirect).map(News::Redirects);
        self.redirect = redirect;
        let clock = skew.and_then(|skew| {
            let skewed = skew.abs() > SKEW_MAX;
            match (std::mem::replace(&mut self.skewed, skewed), skewed) {
                (false, true) => Some(News::Skewed(skew)),
                (true, false) => Some(News::InTime),
                (true, true) | (false, false) => None,
            }
        });
        [opened, moved, clock].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_outside_of_the_exchange_shows_a_skew() {
        let check = |took, date, expected| {
            let at = |second| Timestamp::from_second(second).unwrap();
            let found = skew(at(1000), Duration::from_secs(took), at(date));
            assert_eq!(found, SignedDuration::from_secs(expected), "{took} {date}");
        };
        check(0, 1000, 0);
        check(0, 999, 0);
        check(0, 1001, 0);
        check(30, 1030, 0);
        check(30, 1015, 0);
        check(0, 700, 300);
        check(30, 700, 300);
        check(30, 1090, -60);
        check(0, 1090, -90);
    }

    fn check(remarks: Vec<(Remark, Vec<News>)>) {
        let mut told = Remarks::default();
        for (remark, expected) in remarks {
            assert_eq!(told.hear(remark.clone()), expected, "{remark:?}");
        }
    }

    #[test]
    fn a_redirect_is_told_once_for_each_place_that_it_points_to() {
        let at = |host: Option<&str>| Remark::Answered { redirect: host.map(str::to_owned), skew: None };
        let to = |host: &str| vec![News::Redirects(host.to_owned())];
        check(vec![
            (at(Some("a")), to("a")),
            (at(Some("a")), vec![]),
            (at(Some("b")), to("b")),
            (at(None), vec![]),
            (at(Some("b")), to("b")),
        ]);
    }

    #[test]
    fn clocks_that_are_apart_are_told_once_and_so_is_their_agreement() {
        let ahead = |seconds| Remark::Answered { redirect: None, skew: Some(SignedDuration::from_secs(seconds)) };
        let skewed = |seconds| vec![News::Skewed(SignedDuration::from_secs(seconds))];
        check(vec![
            (ahead(60), vec![]),
            (ahead(-61), skewed(-61)),
            (ahead(300), vec![]),
            (Remark::Answered { redirect: None, skew: None }, vec![]),
            (ahead(5), vec![News::InTime]),
            (ahead(61), skewed(61)),
        ]);
    }

    #[test]
    fn a_way_that_is_closed_on_our_side_is_told_once_and_so_is_its_end() {
        let answered = || Remark::Answered { redirect: None, skew: None };
        let closed = |failure| Remark::failed(failure).unwrap();
        check(vec![
            (answered(), vec![]),
            (closed(Failure::Proxy), vec![News::Closes(Failure::Proxy)]),
            (closed(Failure::Proxy), vec![]),
            (closed(Failure::EgressDenied), vec![News::Closes(Failure::EgressDenied)]),
            (answered(), vec![News::Opens]),
            (answered(), vec![]),
        ]);
        assert_eq!(Remark::failed(Failure::ConnectionRefused), None);
        assert_eq!(Remark::failed(Failure::Render), None);
    }
}
