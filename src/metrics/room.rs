//! The macro that declares a room's part of the page.

use prometheus::Registry;
use prometheus::core::Collector;

/// Declares a room's struct: each field's doc comment is what `/metrics` shows as its help.
macro_rules! metrics {
    ($(#[$doc:meta])* $room:ident {
        $(#[doc = $help:literal] $field:ident: $type:ident [$($label:literal),*] $name:literal $(buckets $buckets:ident)?;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $room {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl $room {
            fn register(registry: &Registry) -> Result<$room, prometheus::Error> {
                Ok($room {
                    $($field: metrics!(@add registry, $type, $name, $help, [$($label),*] $(, $buckets)?),)*
                })
            }
        }
    };
    (@add $registry:ident, IntCounter, $name:literal, $help:literal, []) => {
        room::add($registry, IntCounter::new($name, $help.trim())?)?
    };
    (@add $registry:ident, IntGauge, $name:literal, $help:literal, []) => {
        room::add($registry, IntGauge::new($name, $help.trim())?)?
    };
    (@add $registry:ident, Histogram, $name:literal, $help:literal, [], $buckets:ident) => {
        room::add($registry, Histogram::with_opts(HistogramOpts::new($name, $help.trim()).buckets($buckets.to_vec()))?)?
    };
    (@add $registry:ident, HistogramVec, $name:literal, $help:literal, [$($label:literal),+], $buckets:ident) => {
        room::add($registry, HistogramVec::new(HistogramOpts::new($name, $help.trim()).buckets($buckets.to_vec()), &[$($label),+])?)?
    };
    (@add $registry:ident, $vec:ident, $name:literal, $help:literal, [$($label:literal),+]) => {
        room::add($registry, $vec::new(Opts::new($name, $help.trim()), &[$($label),+])?)?
    };
}

pub(super) fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
